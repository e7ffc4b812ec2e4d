import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Database, open } from 'lmdb'
import t, { type Test } from 'tap'
import { openLmdb } from '../../src/store/lmdb/lmdb-store.ts'
import { type Counter, type Store, StoreUnavailable } from '../../src/store/store.ts'
import { countIn, memoryTallies, type Tallies } from '../../src/store/lmdb/tallies.ts'
import { startCluster, startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'
import { openElsewhere, openHere, type Place } from '../support/store-process.ts'
import { newTag } from './contract.ts'

const MINUTE = 60_000

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-counts-'))
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}

let made = 0

/** A counter of its own under this tag. */
const counter = (tag: string, count: number, windowMs = MINUTE): Counter => ({
  key: `latchkey:limit:${tag}:${(made += 1)}`,
  count,
  windowMs,
})

const add = (store: Store, ...counters: Counter[]) => store.count({ counters, adds: true })
const look = (store: Store, ...counters: Counter[]) => store.count({ counters, adds: false })

async function ready(opening: Promise<Store>): Promise<Store> {
  const store = await opening
  await eventually(async () => (await store.faults()).length === 0, { within: 10_000 })
  return store
}

const places: Record<string, (t: Test) => Promise<Place>> = {
  LMDB: async (t) => ({ dir: await folder(t) }),
  Redis: async (t) => {
    const redis = await startRedis()
    t.teardown(redis.stop)
    return { url: redis.url }
  },
  'a Redis Cluster': async (t) => {
    const cluster = await startCluster()
    t.teardown(cluster.stop)
    return { url: cluster.url }
  },
}

for (const [name, start] of Object.entries(places)) {
  t.test(`${name} counts for all that share it, to the limit and not beyond`, async (t) => {
    const place = await start(t)
    const one = await ready(openHere(place))
    const two = await ready(openHere(place))
    const far = await ready(openElsewhere(place))
    const all = [one, two, far]
    t.teardown(() => Promise.all(all.map((store) => store.close())))

    await t.test('one after the other', async (t) => {
      const [three, other] = [counter(newTag(), 3), counter(newTag(), 3)]
      for (const store of all) t.equal(await add(store, three), null)
      for (const store of all)
        for (const ask of [add, look]) {
          const usedUp = await ask(store, three)
          t.equal(usedUp?.place, 0)
          t.ok(usedUp && usedUp.leftMs > MINUTE - 30_000 && usedUp.leftMs <= MINUTE, `${usedUp?.leftMs} ms`)
        }
      t.equal(await add(one, other), null, 'others are not concerned')
    })

    await t.test('all at once', async (t) => {
      const twenty = counter(newTag(), 20)
      const asked = await Promise.all(Array.from({ length: 90 }, (_, turn) => add(all[turn % 3] as Store, twenty)))
      t.equal(asked.filter((usedUp) => usedUp === null).length, 20)
    })

    await t.test('to look counts nothing, and sees whatever was sent before it', async (t) => {
      const three = counter(newTag(), 3)
      for (let times = 0; times < 5; times += 1) t.equal(await look(one, three), null)
      const sent = [add(one, three), add(one, three), add(one, three)]
      t.equal((await look(one, three))?.place, 0)
      t.strictSame(await Promise.all(sent), [null, null, null])
      t.equal((await look(far, three))?.place, 0, 'and what was answered elsewhere')
    })

    await t.test('several counters all count, or none does when one is used up', async (t) => {
      const tag = newTag()
      const [narrow, wide, wider] = [counter(tag, 2), counter(tag, 3), counter(tag, 9)]
      t.equal(await add(one, narrow, wide), null)
      t.equal(await add(two, narrow, wide), null)
      t.match(await add(far, narrow, wide), { place: 0 })
      t.equal(await add(one, wider, wide), null, 'the wide one had counted two')
      t.match(await add(one, wider, wide), { place: 1 })
      const left = await Promise.all(Array.from({ length: 9 }, () => add(one, wider)))
      t.equal(left.filter((usedUp) => usedUp === null).length, 8, 'and the wider one what went through')
    })

    await t.test('until its window is over, which begins with the first', async (t) => {
      const tag = newTag()
      const [brief, long] = [counter(tag, 2, 400), counter(tag, 1)]
      const began = performance.now()
      t.equal(await add(one, long), null)
      t.equal(await add(one, brief), null)
      t.equal(await add(two, brief), null)
      await eventually(async () => (await add(far, brief)) === null, { within: 5000 })
      t.ok(performance.now() - began >= 395, 'not before its time, though it was asked for all the while')
      t.match(await add(one, long), { place: 0 }, 'another window goes on')
    })

    await t.test('whatever else is counted', async (t) => {
      const victim = counter(newTag(), 3)
      for (let times = 0; times < 3; times += 1) await add(one, victim)
      for (let burst = 0; burst < 80; burst += 1)
        await Promise.all(Array.from({ length: 100 }, () => add(one, counter(newTag(), 3))))
      t.match(await look(two, victim), { place: 0 })
    })

    await t.test('and says so when it cannot', async (t) => {
      const closed = await ready(openHere(place))
      await closed.close()
      await t.rejects(add(closed, counter(newTag(), 3)), StoreUnavailable)
      await t.rejects(look(closed, counter(newTag(), 3)), StoreUnavailable)
    })
  })
}

t.test('LMDB: a count that was answered survives kill -9', async (t) => {
  const dir = await folder(t)
  const far = await openElsewhere({ dir })
  const three = counter(newTag(), 3)
  for (let times = 0; times < 3; times += 1) await add(far, three)
  await far.kill()
  const store = await openHere({ dir })
  t.teardown(() => store.close())
  t.match(await look(store, three), { place: 0 })
})

t.test('LMDB: a count leaves the disk when its window is over', async (t) => {
  const dir = await folder(t)
  const root = open({ path: dir, noSubdir: false })
  t.teardown(() => root.close())
  const tables: Database[] = ['rows', 'expiries'].map((name) => root.openDB({ name, encoding: 'json' }))
  const onDisk = () =>
    tables.map((table) => {
      table.resetReadTxn()
      return table.getKeysCount()
    })
  const store = await openLmdb({ dir, clock: Date.now, sweepMs: 20 })
  t.teardown(() => store.close())
  const tag = newTag()
  const [brief, long] = [counter(tag, 9, 1000), counter(tag, 9)]
  for (let times = 0; times < 5; times += 1) await add(store, brief, long)
  t.strictSame(onDisk(), [2, 2])
  await eventually(() => onDisk().join() === '1,1', { within: 5000 })
})

t.test('Redis: a window that ends late, as when its clock has been set back, is begun anew', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const store = await ready(openHere({ url: redis.url }))
  t.teardown(() => store.close())
  const one = counter(newTag(), 1)
  t.equal(await add(store, one), null)
  await redis.cli('PEXPIRE', one.key, `${10 * MINUTE}`)
  t.equal(await look(store, one), null)
  t.equal(await add(store, one), null)
  const usedUp = await add(store, one)
  t.ok(usedUp && usedUp.leftMs > 0 && usedUp.leftMs <= MINUTE, `${usedUp?.leftMs} ms`)
})

t.test('a window that a clock has begun which was set back since is begun anew', async (t) => {
  const held = new Map<string, { count: number; until: number }>()
  const tallies: Tallies = { get: (key) => held.get(key), set: (key, tally) => void held.set(key, tally) }
  const count = { counters: [{ key: 'key', count: 1, windowMs: 1000 }], adds: true }
  t.equal(countIn(tallies, count, 1_000_000), null)
  t.strictSame(countIn(tallies, count, 1_000_000), { place: 0, leftMs: 1000 })
  t.strictSame(countIn(tallies, count, 1_000_999), { place: 0, leftMs: 1 })
  t.equal(countIn(tallies, count, 1_001_000), null, 'over to the millisecond')
  t.equal(countIn(tallies, count, 500_000), null, 'not in force for ages')
})

t.test('memory holds so many tallies and no more, and forgets one only after half as many others', async (t) => {
  const tallies = memoryTallies(1000)
  const tally = { count: 1, until: Infinity }
  const isHeld = (place: number) => tallies.get(`key ${place}`) !== undefined
  for (let place = 0; place < 20_000; place += 1) {
    tallies.set(`key ${place}`, tally)
    if (place >= 500 && !isHeld(place - 500)) t.fail(`${place - 500} is forgotten at ${place}`)
  }
  const held = Array.from({ length: 20_000 }, (_, place) => isHeld(place)).filter(Boolean)
  t.ok(held.length <= 1000, `${held.length}`)
  for (let turn = 0; turn < 20_000; turn += 1) {
    tallies.set('key 1', tally)
    if (turn % 2 === 0) tallies.set(`other ${turn}`, tally)
  }
  t.ok(isHeld(1), 'what goes on being counted stays')
})
