import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { UNUSABLE } from '../../src/domain/password.ts'
import { buildAdminApp } from '../../src/http/admin-app.ts'
import { makeReadiness } from '../../src/process/readiness.ts'
import { StoreUnavailable } from '../../src/store/store.ts'
import { ADMIN_KEY } from '../support/env.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import { aUser, writeUsers } from '../support/many-users.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'
import { makeWatched } from '../support/watched-store.ts'

// The operator reads all users: whole, or seen to be cut; in little memory, however slowly it is read.

const EXPORT_KEY = 'q3Wf8xKz1TnVb6Lr0JmYc5HsGd9PuEo2IaXvN7Mt4kQ'
const KEYS = { ADMIN_KEYS: `ops=${ADMIN_KEY},mover+export=${EXPORT_KEY}` }

const redis = await startRedis()
t.teardown(redis.stop)
const STORES = { LMDB: {}, Redis: { REDIS_URL: redis.url } }

type Line = Record<string, any>

const linesOf = (answer: string): Line[] =>
  answer
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))

/** Reads the whole export over a connection; `onCall` hears of each answer. */
async function readAll(home: AdminHome, token: string, onCall = (_lines: number) => {}): Promise<Map<string, Line>> {
  const port = await portOf(home)
  const met = new Map<string, Line>()
  for (let cursor = ''; ;) {
    const answer = await ask(port, token, cursor)
    const lines = linesOf(await text(answer))
    onCall(lines.length)
    for (const line of lines) if ('id' in line) met.set(line['id'], line)
    const { next } = lines.at(-1) ?? {}
    if (next === undefined) return met
    cursor = `?cursor=${next}`
  }
}

async function portOf({ adminApp }: AdminHome): Promise<number> {
  if (!adminApp.server.listening) await adminApp.listen({ host: '127.0.0.1', port: 0 })
  return (adminApp.server.address() as { port: number }).port
}

async function ask(port: number, token: string, query = ''): Promise<IncomingMessage> {
  const headers = { authorization: `Bearer ${token}` }
  const asked = get({ host: '127.0.0.1', port, path: `/admin/v1/export${query}`, headers, agent: false })
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  return answer
}

const ids = (count: number) => Array.from({ length: count }, (_, place) => `user-${`${place}`.padStart(6, '0')}`)

for (const [store, env] of Object.entries(STORES)) {
  t.test(`every user is a line, and hashes are for a key of that scope only, on ${store}`, async (t) => {
    const home = await openAdminHome(t, { ...KEYS, ...env })
    const me = await home.newcomer()
    await writeUsers(home.deps.store, [aUser('without-a-password', { passwordHash: UNUSABLE })])
    const plain = await readAll(home, ADMIN_KEY)
    const { body } = await home.admin('GET', `/admin/v1/users/${me.user.id}`)
    t.strictSame(plain.get(me.user.id), body, 'the same as its page says')
    t.match(body, { sessions: 1 })
    t.notMatch(JSON.stringify([...plain.values()]), /hash|argon2|secret|generation/i)
    const whole = await readAll(home, EXPORT_KEY)
    t.match(whole.get(me.user.id), { ...body, password_hash: /^\$argon2id\$/ })
    t.notOk('password_hash' in (whole.get('without-a-password') ?? {}))
    t.match(home.events('operator.called').at(-1), { route: 'GET /admin/v1/export', by: 'mover', status: 200 })
  })

  t.test(`an export of many users goes on over several answers, with memory flat, on ${store}`, async (t) => {
    const home = await openAdminHome(t, { ...KEYS, ...env })
    const all = ids(14_000)
    await writeUsers(
      home.deps.store,
      all.map((id) => aUser(id)),
    )
    const heaps: number[] = []
    const counts: number[] = []
    const met = await readAll(home, ADMIN_KEY, (lines) => {
      counts.push(lines)
      heaps.push(heapUsed())
    })
    t.strictSame(
      all.filter((id) => !met.has(id)),
      [],
    )
    t.ok(counts.length >= 2 && Math.max(...counts) < 12_000, counts.join())
    const [first = 0, ...later] = heaps
    const grown = Math.max(...later) - first
    t.ok(grown < 30_000_000, `${grown} bytes: the test itself keeps all lines`)
  })

  t.test(`whoever does not read is not written for, and frees everything by going away, on ${store}`, async (t) => {
    const watched = makeWatched()
    const home = await openAdminHome(t, { ...KEYS, ...env }, { store: watched.around })
    const many = ids(9000).map((id) => aUser(id, { app: { text: 'x'.repeat(1000) } }))
    await writeUsers(home.deps.store, many)
    let reads = 0
    watched.watch = (command, run) => {
      if (command.kind === 'getMany') reads += command.keys.length
      return run()
    }
    const socket = connect(await portOf(home), '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.pause().write(`GET /admin/v1/export HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ADMIN_KEY}\r\n\r\n`)
    await eventually(() => reads > 0, { within: 10_000 })
    for (let before = -1; before !== reads; await wait(300)) before = reads
    t.ok(reads < 9000, `${reads} users were read`)
    const begun = reads
    socket.destroy()
    await eventually(() => home.events('operator.called').length === 1, { within: 10_000 })
    await home.admin('GET', '/admin/v1/users/nobody')
    t.ok(reads - begun <= 2000, 'nothing more is read but what was under way')
    t.equal((await readAll(home, ADMIN_KEY)).size >= 9000, true)
  })

  t.test(`a store that fails on the way cuts the answer off; at the beginning it is 503, on ${store}`, async (t) => {
    const watched = makeWatched()
    const home = await openAdminHome(t, { ...KEYS, ...env }, { store: watched.around })
    await writeUsers(
      home.deps.store,
      ids(3000).map((id) => aUser(id)),
    )
    let reads = 0
    const failAfter = (most: number) => {
      reads = 0
      watched.watch = (command, run) => {
        if (command.kind === 'getMany' && (reads += 1) > most) throw new StoreUnavailable('it is gone')
        return run()
      }
    }
    failAfter(Infinity)
    await text(await ask(await portOf(home), ADMIN_KEY))
    const all = reads
    failAfter(0)
    const refused = await home.admin('GET', '/admin/v1/export')
    t.match(refused, { status: 503, headers: { 'retry-after': /\d/ }, body: { code: 'store_unavailable' } })
    failAfter(all - 1)
    const answer = await ask(await portOf(home), ADMIN_KEY)
    t.equal(answer.statusCode, 200)
    await t.rejects(text(answer), { code: 'ECONNRESET' }, 'it does not end as HTTP demands')
    const cut = home.lines.filter(({ msg }) => msg === 'an export was cut off')
    t.match(cut, [{ err: { type: 'StoreUnavailable' }, request_id: String }])
  })
}

t.test('an export ends early, and says where to go on, when the process stops', async (t) => {
  const home = await openAdminHome(t, KEYS)
  await writeUsers(
    home.deps.store,
    ids(3000).map((id) => aUser(id)),
  )
  const { logger } = home
  const stopping = await buildAdminApp(home.deps, {
    logger,
    isDraining: () => true,
    ...makeReadiness(home.deps, () => true, logger),
  })
  t.teardown(() => stopping.close())
  const headers = { authorization: `Bearer ${ADMIN_KEY}` }
  const lines = linesOf((await stopping.inject({ url: '/admin/v1/export', headers })).payload)
  t.ok(lines.length > 1 && lines.length < 3000)
  t.match(lines.at(-1), { next: String })
})

t.test('a cursor that is none begins anew, and a long one is refused', async (t) => {
  const home = await openAdminHome(t, KEYS)
  const me = await home.newcomer()
  t.match(linesOf((await home.admin('GET', '/admin/v1/export?cursor=x')).body), [{ id: me.user.id }])
  t.match(await home.admin('GET', `/admin/v1/export?cursor=${'x'.repeat(257)}`), { status: 400 })
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapUsed(): number {
  collect()
  return process.memoryUsage().heapUsed
}
