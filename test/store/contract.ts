import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import type { Test } from 'tap'
import { lastOf, LOG_ROWS, rowOf } from '../../src/store/keys.ts'
import type { Key, Log, Page, Store } from '../../src/store/store.ts'
import { absent, append, put, StoreUnavailable, unchanged } from '../../src/store/store.ts'
import { often } from '../support/amount.ts'
import { eventually } from '../support/settle.ts'

/** Opens clients of one and the same store, ready for use. */
export interface Opener {
  readonly here: () => Promise<Store>
  /** In another process. */
  readonly elsewhere: () => Promise<Store>
}

/** A hash tag of the test's own. */
export const newTag = () => `{${randomBytes(9).toString('hex')}}`

export const writes = { checks: [], puts: [], deletes: [] }

const samePlace = (...names: readonly string[]): string[] => {
  const tag = newTag()
  return names.map((name) => `${tag}:${name}`)
}

/** Writes one value, whatever is there. */
export async function set(store: Store, key: string, value: unknown, expiresAt: number | null = null): Promise<void> {
  await store.commit({ ...writes, puts: [put(key, value, expiresAt)] })
}

const valuesOf = async (store: Store, keys: readonly string[]) =>
  (await store.getMany(keys)).map((entry) => entry?.value ?? null)

/** What every adapter keeps, run on three clients of one store, one of them in another process. */
export async function keepsContract(t: Test, opener: Opener): Promise<void> {
  // One after the other: opening an LMDB folder blocks this thread until no commit is under way, and a commit may need this thread.
  const one = await opener.here()
  const two = await opener.here()
  const far = await opener.elsewhere()
  const all = [one, two, far]
  t.teardown(() => Promise.all(all.map((store) => store.close())))

  await t.test('a healthy store has no faults', async (t) => {
    t.same(await Promise.all(all.map((store) => store.faults())), [[], [], []])
  })

  await t.test('what was never written is absent, and to delete it is nothing', async (t) => {
    const [a, b] = [`${newTag()}:a`, `${newTag()}:b`]
    t.equal(await one.get(a), null)
    t.same(await one.getMany([a, b, a]), [null, null, null])
    t.same(await one.getMany([]), [])
    t.equal(await one.commit({ ...writes, checks: [absent(a)], deletes: [a] }), true)
    t.equal(await one.get(a), null)
  })

  await t.test('a commit goes through at the version that was read and at no other', async (t) => {
    const key = `${newTag()}:key`
    await set(one, key, 'first')
    const first = await two.get(key)
    t.match(first, { key, value: 'first', version: /./ })
    t.equal(await two.commit({ checks: [unchanged(key, first)], puts: [put(key, 'second', null)], deletes: [] }), true)
    t.equal(await one.commit({ checks: [unchanged(key, first)], puts: [put(key, 'third', null)], deletes: [] }), false)
    t.equal(await one.commit({ checks: [absent(key)], puts: [put(key, 'third', null)], deletes: [] }), false)
    t.equal(await one.commit({ checks: [{ key, version: '' }], puts: [put(key, 'third', null)], deletes: [] }), false)
    t.equal((await far.get(key))?.value, 'second')
  })

  await t.test('a value that went away and came back is not the one that was read', async (t) => {
    const key = `${newTag()}:key`
    await set(one, key, 'same')
    const before = await one.get(key)
    await one.commit({ ...writes, deletes: [key] })
    t.equal(await two.commit({ ...writes, checks: [unchanged(key, before)] }), false, 'it is away')
    for (const store of all) await set(store, key, 'same')
    t.equal(await two.commit({ ...writes, checks: [unchanged(key, before)] }), false, 'it is back')
    t.equal(await two.commit({ ...writes, checks: [unchanged(key, await far.get(key))] }), true, 'a check alone')
  })

  await t.test('a walk meets every key that is there throughout, and none of another ending', async (t) => {
    const ending = `:walk-${randomBytes(6).toString('hex')}`
    const names = (what: string) => Array.from({ length: 300 }, (_, place) => `${newTag()}:${what}-${place}${ending}`)
    const [stay, come] = [names('stay'), names('come')]
    for (const key of stay) await Promise.all([set(one, key, key), set(two, `${key}:more`, key)])
    const met: string[] = []
    for (let cursor: string | null = null, pages = 0; ; pages += 1) {
      const { keys, next } = await [one, two, far][pages % 3]!.scan({ ending, cursor, count: 50 })
      met.push(...keys)
      await Promise.all(come.splice(0, 10).map((key) => set(far, key, key)))
      if (next === null) break
      cursor = next
    }
    t.same(
      stay.filter((key) => !met.includes(key)),
      [],
    )
    t.same(
      met.filter((key) => !key.endsWith(ending)),
      [],
    )
    const first = await one.scan({ ending, cursor: null, count: 100_000 })
    t.ok((await one.scan({ ending, cursor: 'no cursor', count: 100_000 })).keys.length >= first.keys.length)
    const gone = `${newTag()}:gone${ending}`
    await set(one, gone, 1)
    await one.commit({ ...writes, deletes: [gone] })
    for (let cursor: string | null = null; ;) {
      const page: Page = await two.scan({ ending, cursor, count: 1000 })
      t.notOk(page.keys.includes(gone), 'what has gone is not met')
      if (page.next === null) break
      cursor = page.next
    }
  })

  await t.test('null means: must not exist', async (t) => {
    const key = `${newTag()}:key`
    const commit = { checks: [absent(key)], puts: [put(key, 1, null)], deletes: [] }
    t.same([await one.commit(commit), await one.commit(commit), await two.commit(commit)], [true, false, false])
    await one.commit({ ...writes, deletes: [key] })
    t.equal(await two.commit(commit), true, 'deleted is absent')
  })

  await t.test('a commit does all of it or, when one check is lost, nothing of it', async (t) => {
    const tag = newTag()
    const [a, b, c, d, gone] = ['a', 'b', 'c', 'd', 'gone'].map((name) => `${tag}:${name}`) as [
      string,
      string,
      string,
      string,
      string,
    ]
    for (const key of [a, b, gone]) await set(one, key, `old ${key}`)
    const [entryA, entryB] = await one.getMany([a, b])
    const commit = (version: string | null) => ({
      checks: [unchanged(a, entryA), unchanged(b, entryB), absent(c), { key: d, version }],
      puts: [put(a, 'new a', null), put(c, 'new c', null), put(d, 'new d', Date.now() + 60_000)],
      deletes: [gone, b],
    })
    t.equal(await one.commit(commit('another')), false)
    t.same(await valuesOf(two, [a, b, c, d, gone]), [`old ${a}`, `old ${b}`, null, null, `old ${gone}`])
    t.same(
      await two.commit({ ...writes, checks: [unchanged(a, entryA), unchanged(b, entryB)] }),
      true,
      'the versions too',
    )
    t.equal(await one.commit(commit(null)), true)
    t.same(await valuesOf(two, [a, b, c, d, gone]), ['new a', null, 'new c', 'new d', null])
  })

  await t.test('what is deleted and put in one commit is put', async (t) => {
    const key = `${newTag()}:key`
    for (const value of ['first', 'second']) {
      t.equal(await one.commit({ checks: [], puts: [put(key, value, null)], deletes: [key] }), true)
      t.equal((await two.get(key))?.value, value)
    }
  })

  await t.test('many keys of many tags are read at once, in order, each as often as asked', async (t) => {
    const keys = Array.from({ length: 30 }, newTag).flatMap((tag) =>
      Array.from({ length: 10 }, (_, at) => `${tag}:${at}`),
    )
    for (const key of keys.filter((_, place) => place % 3 !== 0)) await set(one, key, key)
    const asked = [...keys, ...keys.toReversed(), ...keys]
    t.same(
      await valuesOf(two, asked),
      asked.map((key) => (keys.indexOf(key) % 3 === 0 ? null : key)),
    )
    const apart = await Promise.all(asked.map((key) => two.get(key)))
    t.same(
      apart.map((entry) => entry?.value ?? null),
      await valuesOf(far, asked),
      'asked one by one, all in one turn',
    )
  })

  await t.test('a value is absent once it has expired, and its version is that of nothing', async (t) => {
    const tag = newTag()
    const [brief, renewed, kept, over] = [`${tag}:brief`, `${tag}:renewed`, `${tag}:kept`, `${tag}:over`]
    const [soon, later] = [Date.now() + 300, Date.now() + 60_000]
    for (const key of [brief, renewed, kept]) await set(one, key, 'value', soon)
    const entry = await one.get(brief)
    t.equal(entry?.value, 'value')
    await set(two, renewed, 'value', later)
    await set(two, kept, 'value', null)
    await set(two, over, 'value', Date.now() - 60_000)
    await eventually(async () => (await one.get(brief)) === null && (await far.get(brief)) === null, { within: 5000 })
    t.ok(Date.now() >= soon, 'not before its time')
    t.same(await valuesOf(one, [brief, renewed, kept, over]), [null, 'value', 'value', null])
    t.equal(await one.commit({ ...writes, checks: [unchanged(brief, entry)] }), false)
    t.equal(await one.commit({ ...writes, checks: [absent(brief)], puts: [put(brief, 'again', later)] }), true)
    t.equal((await two.get(brief))?.value, 'again')
  })

  await t.test('an extension keeps what is there until then, as it is, and makes nothing of nothing', async (t) => {
    const tag = newTag()
    const [key, gone, other] = [`${tag}:key`, `${tag}:gone`, `${tag}:other`]
    const inMs = (ms: number) => Date.now() + ms
    await set(one, key, 'kept', inMs(60_000))
    const before = await one.get(key)
    const extensions = [key, gone].map((name) => ({ key: name, expiresAt: inMs(120_000) }))
    t.equal(await two.commit({ ...writes, puts: [put(other, 'beside it', null)], extensions }), true)
    t.same(await far.get(key), before, 'its version, too')
    t.equal(await far.get(gone), null)
    t.equal(await one.commit({ ...writes, checks: [absent(key)], extensions: [{ key, expiresAt: inMs(1) }] }), false)
    t.same(await one.get(key), before, 'a lost check extends nothing')
    await two.commit({ ...writes, extensions: [{ key, expiresAt: inMs(1) }] })
    await eventually(async () => (await far.get(key)) === null, { within: 1000 })
  })

  await t.test('of 50 commits that checked the same version exactly one wins', async (t) => {
    const key = `${newTag()}:key`
    for (let round = 0; round < 10; round += 1) {
      const entry = await one.get(key)
      const tries = Array.from({ length: 50 }, (_, place) => ({
        checks: [unchanged(key, entry)],
        puts: [put(key, `${round}.${place}`, null)],
        deletes: [],
      }))
      const won = await Promise.all(tries.map((commit, place) => (all[place % 3] as Store).commit(commit)))
      t.equal(won.filter(Boolean).length, 1)
      t.equal((await two.get(key))?.value, `${round}.${won.indexOf(true)}`, 'and its value is there')
    }
  })

  await t.test('of 50 commits that append to one log at once each row has a place of its own', async (t) => {
    const log: Log<string> = `${newTag()}:log:`
    t.equal(await one.get(lastOf(log)), null, 'no row, no place')
    const rowsOf = (place: number) => (place % 5 === 0 ? [`${place}.0`, `${place}.1`] : [`${place}.0`])
    const turns = Array.from({ length: 50 }, (_, place) => place)
    const won = await Promise.all(
      turns.map((place) =>
        (all[place % 3] as Store).commit({ ...writes, append: append(log, rowsOf(place), Date.now() + 60_000) }),
      ),
    )
    t.ok(won.every(Boolean), 'none is in the way of another')
    t.equal((await far.get(lastOf(log)))?.value, 60)
    const rows = await valuesOf(
      two,
      Array.from({ length: 61 }, (_, place) => rowOf(log, place + 1)),
    )
    t.equal(rows.pop(), null)
    t.strictSame((rows as string[]).toSorted(), turns.flatMap(rowsOf).toSorted())
    for (const place of turns.filter((each) => each % 5 === 0))
      t.equal(rows.indexOf(`${place}.1`), rows.indexOf(`${place}.0`) + 1, 'rows of one commit stay together')
  })

  await t.test('a commit appends with all the rest of it, or not at all', async (t) => {
    const tag = newTag()
    const [key, log] = [`${tag}:key`, `${tag}:log:` as Log<string>]
    const commit = (version: string | null, row: string) => ({
      checks: [{ key, version }],
      puts: [put(key, row, null)],
      deletes: [],
      append: append(log, [row], Date.now() + 60_000),
    })
    t.equal(await one.commit(commit('another', 'lost')), false)
    t.same(await valuesOf(two, [key, lastOf(log), rowOf(log, 1)]), [null, null, null])
    const tries = Array.from({ length: 30 }, (_, place) => commit(null, `${place}`))
    const won = await Promise.all(tries.map((each, place) => (all[place % 3] as Store).commit(each)))
    const winner = `${won.indexOf(true)}`
    t.same(await valuesOf(far, [key, lastOf(log), rowOf(log, 1), rowOf(log, 2)]), [winner, 1, winner, null])
  })

  await t.test('a log keeps its last rows, until they expire, and begins anew when it is deleted', async (t) => {
    const log: Log<number> = `${newTag()}:log:`
    const add = (rows: readonly number[], forMs = 60_000) =>
      one.commit({ ...writes, append: append(log, rows, Date.now() + forMs) })
    await add(Array.from({ length: LOG_ROWS }, (_, place) => place + 1))
    t.same(await valuesOf(two, [lastOf(log), rowOf(log, 1), rowOf(log, LOG_ROWS)]), [LOG_ROWS, 1, LOG_ROWS])
    await add([LOG_ROWS + 1, LOG_ROWS + 2])
    t.same(
      await valuesOf(
        two,
        [LOG_ROWS + 2, LOG_ROWS + 1, 3, 2, 1].map((place) => rowOf(log, place)),
      ),
      [LOG_ROWS + 2, LOG_ROWS + 1, 3, null, null],
    )
    await one.commit({ ...writes, deletes: [lastOf(log)] })
    await add([7], 300)
    t.same(await valuesOf(far, [lastOf(log), rowOf(log, 1)]), [1, 7])
    await eventually(async () => (await valuesOf(far, [lastOf(log), rowOf(log, 1)])).every((each) => each === null), {
      within: 5000,
    })
  })

  await t.test('rows that are kept for less long than those before do not make a log begin anew', async (t) => {
    const log: Log<string> = `${newTag()}:log:`
    const add = (row: string, forMs: number) =>
      one.commit({ ...writes, append: append(log, [row], Date.now() + forMs) })
    await add('old', 30_000_000_000)
    await add('short', 50)
    await eventually(async () => (await two.get(rowOf(log, 2))) === null, { within: 5000 })
    await add('next', 60_000)
    t.same(await valuesOf(far, [lastOf(log), rowOf(log, 1), rowOf(log, 2), rowOf(log, 3)]), [3, 'old', null, 'next'])
  })

  await t.test('counting together by check and put loses no count', async (t) => {
    const key: Key<number> = `${newTag()}:count`
    const count = async (store: Store): Promise<void> => {
      const entry = await store.get(key)
      const isWon = await store.commit({
        checks: [unchanged(key, entry)],
        puts: [put(key, (entry?.value ?? 0) + 1, null)],
        deletes: [],
      })
      if (!isWon) await count(store)
    }
    await Promise.all(
      all.map(async (store) => {
        for (let times = 0; times < 40; times += 1) await count(store)
      }),
    )
    t.equal((await one.get(key))?.value, 120)
  })

  await t.test('what one client has written every other reads at once', async (t) => {
    const [key, other] = [`${newTag()}:key`, `${newTag()}:key`]
    const stale: unknown[] = []
    for (let turn = 0; turn < often(1000); turn += 1) {
      const [writer, reader] = [all[turn % 3], all[(turn + 1 + (turn % 2)) % 3]] as [Store, Store]
      await set(writer, key, turn)
      const [, entry] = await reader.getMany([other, key])
      if (entry?.value !== turn) stale.push([turn, entry?.value])
    }
    t.same(stale, [])
  })

  await t.test('keys of one tag are read as they were at one moment, whoever commits meanwhile', async (t) => {
    const [a = '', b = ''] = samePlace('a', 'b')
    const write = (store: Store, turn: number) =>
      store.commit({ ...writes, puts: [put(a, turn, null), put(b, turn, null)] })
    await write(one, 0)
    const over = new AbortController()
    const writing = [two, far].map(async (store) => {
      for (let turn = 1; !over.signal.aborted; turn += 1) await write(store, turn)
    })
    const torn: unknown[] = []
    for (let turn = 0; turn < often(1500); turn += 1) {
      const [first, second] = await valuesOf(one, [a, b])
      if (first !== second) torn.push([first, second])
    }
    over.abort()
    await Promise.all(writing)
    t.same(torn, [])
  })

  await t.test('any JSON comes back as it was', async (t) => {
    const tag = newTag()
    const odd = [
      '{}',
      '[]',
      '""',
      'null',
      'false',
      '0',
      '-1.5e-300',
      '9007199254740993',
      '{"":{"":[[],{}]}}',
      '"\u2028\u2029\\u0000 \\n\\"\\\\"',
      '"👨‍👩‍👧 é e\u0301"',
      '"\\ud800"',
      '{"__proto__":{"a":1},"constructor":2,"toJSON":3,"then":4}',
      '{"10":1,"9":2,"b":3,"a":4}',
      '[null,[null]]',
      '"2026-01-31T12:00:00Z"',
      '" first space"',
    ]
    const big = { text: 'é'.repeat(8000), list: Array.from({ length: 500 }, (_, place) => place) }
    const values: unknown[] = [
      ...odd.map((text) => JSON.parse(text) as unknown),
      big,
      ...fc.sample(fc.jsonValue({ stringUnit: 'binary' }), { numRuns: 100, seed: 7396 }),
    ]
    const changed = await Promise.all(
      values.map(async (value, place) => {
        const [key, was] = [`${tag}:${place}`, JSON.stringify(value)]
        const is = await set(one, key, value).then(
          async () => JSON.stringify((await two.get(key))?.value),
          (error: unknown) => String(error),
        )
        return is === was ? [] : [{ is, was }]
      }),
    )
    t.same(changed.flat(), [])
  })

  await t.test('a closed store refuses everything, and the other clients go on', async (t) => {
    const key = `${newTag()}:key`
    const closed = await opener.here()
    await set(closed, key, 'value')
    await closed.close()
    await t.rejects(closed.get(key), StoreUnavailable)
    await t.rejects(closed.getMany([key]), StoreUnavailable)
    await t.rejects(set(closed, key, 'late'), StoreUnavailable)
    t.not((await closed.faults()).length, 0)
    t.same(await Promise.all(all.map(async (store) => (await store.get(key))?.value)), ['value', 'value', 'value'])
  })
}
