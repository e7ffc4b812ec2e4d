import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { openAdminHome } from '../support/admin.ts'
import { openHome } from '../support/home.ts'
import { type RedisProcess, startCluster, startRedis, type StartOptions } from '../support/redis.ts'
import { isRefusal, refusesAll } from '../support/refusals.ts'
import type { Service } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import { insist, isUnbroken, launch, newAddress, PASSWORD, refresh, register, verify } from '../support/world.ts'

// What Redis says while a connection is made. A client library that lets a refused SELECT pass keeps all accounts in database 0.

const PASS = 'hunter2-hunter2'
const PAGE = await readFile('docs/operating.md', 'utf8')
/** What the page says a user of Redis needs, and what besides where REDIS_URL names a database. */
const [, rights = '', besides = ''] = /`(~\{\*[^`]+)`, and `(\+\w+)`/.exec(PAGE) ?? []
const RULES = rights.split(' ')
/** What it says is needed besides on a Cluster. */
const ofCluster = /on a Cluster `([^`]+)`/.exec(PAGE)?.[1]?.split(' ') ?? []

/** A Redis with a user of exactly these rights. */
async function guarded(t: Test, rules: readonly string[], options: StartOptions = {}): Promise<RedisProcess> {
  const redis = await startRedis(options)
  t.teardown(redis.stop)
  await redis.cli('ACL', 'SETUSER', 'latchkey', 'reset', 'on', `>${PASS}`, ...rules)
  return redis
}

const urlOf = ({ port }: RedisProcess, db = '') => `redis://latchkey:${PASS}@127.0.0.1:${port}${db}`
const ready = async (at: Service) => at.call('GET', '/readyz')
const isReady = (at: Service) => eventually(async () => (await ready(at)).status === 200, { within: 10_000 })
const says = (at: Service, words: RegExp) =>
  eventually(async () => words.test(String((await ready(at)).body.reasons)), { within: 10_000 })
const keyspace = async (redis: RedisProcess) =>
  (await redis.cli('INFO', 'keyspace'))
    .split('\r\n')
    .filter((line) => line.startsWith('db'))
    .map((line) => line.split(':')[0])

/** Its log is JSON, tells the cause a few times at most, and no secret. */
function isQuiet(t: Test, at: Service): void {
  isUnbroken(t, at)
  t.strictSame(
    at.lines().filter((line) => !line.startsWith('{')),
    [],
    'every line is a line of the log',
  )
  t.ok(at.lines().length < 60, `${at.lines().length} lines`)
  t.notMatch(at.lines().join('\n'), PASS)
}

const nobody = {
  email: newAddress(),
  password: PASSWORD,
  access_token: 'a.b.c',
  refresh_token: 'no',
  session_id: 'x'.repeat(22),
  user: { id: 'x' },
}

t.test('the rights that the page on operating names are enough, and none of them is refused', async (t) => {
  t.ok(RULES.length > 10 && besides === '+select', `${RULES.join(' ')} and ${besides}`)
  for (const [rules, db] of [
    [RULES, ''],
    [RULES, '/0'],
    [[...RULES, besides], '/3'],
  ] as const) {
    const redis = await guarded(t, rules)
    const home = await openAdminHome(t, { REDIS_URL: urlOf(redis, db) })
    const me = await home.newcomer()
    t.match(await home.admin('GET', '/admin/v1/users'), { status: 200, body: { users: [{ id: me.user.id }] } })
    const again = await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
    t.equal(again.status, 200)
    t.equal((await home.call('POST', '/v1/logout', { token: me.access_token })).status, 204)
    t.match(await home.call('GET', '/readyz'), { status: 200 })
    t.equal(await redis.cli('ACL', 'LOG'), '', 'Redis has refused nothing')
    t.strictSame(await keyspace(redis), [db === '/3' ? 'db3' : 'db0'])
  }
})

t.test('they are enough on a Cluster, with what the page adds for it', async (t) => {
  t.ok(ofCluster.length > 1, ofCluster.join(' '))
  const cluster = await startCluster()
  t.teardown(cluster.stop)
  const rules = ['reset', 'on', `>${PASS}`, ...RULES, ...ofCluster]
  for (const node of cluster.nodes) await node.cli('ACL', 'SETUSER', 'latchkey', ...rules)
  const home = await openAdminHome(t, { REDIS_URL: cluster.url.replace('//', `//latchkey:${PASS}@`) })
  await eventually(async () => (await home.call('GET', '/readyz')).status === 200, { within: 10_000 })
  const me = await home.newcomer()
  t.match(await home.admin('GET', '/admin/v1/export'), { status: 200 })
  t.equal((await home.call('POST', '/v1/logout', { token: me.access_token })).status, 204)
  const logs = await Promise.all(cluster.nodes.map((node) => node.cli('ACL', 'LOG')))
  const refused = [...logs.join('\n').matchAll(/^object\s+(\S+)/gm)].map(([, command]) => command)
  t.strictSame(new Set(refused), new Set(['client|setname']), 'ioredis gives a connection a name, and needs none')
})

t.test('a SELECT that is refused is no database 0: 503 with the cause, until it is granted', async (t) => {
  const redis = await guarded(t, RULES)
  const one = await launch(t, urlOf(redis, '/3'), {}, 'live')
  await says(one, /Redis refuses SELECT: .*\+select/)
  t.ok(isRefusal(await one.call('POST', '/v1/register', { body: { email: newAddress(), password: PASSWORD } })))
  t.ok(isRefusal(await one.call('POST', '/v1/login', { body: { email: newAddress(), password: PASSWORD } })))
  t.strictSame(await keyspace(redis), [], 'nothing is written')
  await redis.cli('ACL', 'SETUSER', 'latchkey', '+select')
  await isReady(one)
  const me = await insist(() => one.call('POST', '/v1/register', { body: { email: newAddress(), password: PASSWORD } }))
  t.equal(me.status, 201)
  t.strictSame(await keyspace(redis), ['db3'])
  isQuiet(t, one)
})

t.test('an answer to SELECT that comes too late is no consent', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  await redis.cli('ACL', 'SETUSER', 'default', '-select') // who says nothing else in the handshake
  const one = await launch(t, `${redis.url}/3`, {}, 'live')
  await says(one, /Redis refuses SELECT/)
  for (const round of [1, 2, 3]) {
    const givenUp = () => one.lines().filter((line) => line.includes('Command timed out')).length
    redis.freeze()
    await eventually(() => givenUp() === round, { within: 10_000 })
    redis.thaw() // what it says of SELECT comes when nobody waits for it any more
    await says(one, /Redis refuses SELECT/)
    t.strictSame(await keyspace(redis), [], 'nothing is written')
  }
  isQuiet(t, one)
})

t.test('a database that is not there is no database 0', async (t) => {
  const redis = await guarded(t, [...RULES, '+select'], { args: ['--databases', '4'] })
  const one = await launch(t, urlOf(redis, '/4'), {}, 'live')
  await says(one, /Redis refuses SELECT: .*database/)
  t.ok(isRefusal(await one.call('POST', '/v1/register', { body: { email: newAddress(), password: PASSWORD } })))
  t.strictSame(await keyspace(redis), [])
  const home = await openHome({ REDIS_URL: urlOf(redis, '/3') })
  t.teardown(home.close)
  await home.newcomer()
  t.strictSame(await keyspace(redis), ['db3'], 'the last one is there')
  isQuiet(t, one)
})

t.test('every connection that is made anew is judged anew, each by itself', async (t) => {
  const redis = await guarded(t, [...RULES, '+select'])
  const one = await launch(t, urlOf(redis, '/3'))
  const me = await register(one)
  const ids = async () =>
    [...(await redis.cli('CLIENT', 'LIST')).matchAll(/^id=(\d+) .*\buser=latchkey\b/gm)].map(([, id = '']) => id)
  t.equal((await ids()).length, 2)
  for (const which of [0, 1]) {
    await redis.cli('ACL', 'SETUSER', 'latchkey', '-select')
    await redis.cli('CLIENT', 'KILL', 'ID', (await ids())[which] ?? '')
    await says(one, /Redis refuses SELECT/)
    for (let round = 0; round < 10; round += 1) {
      const { status } = await one.call('POST', '/v1/register', { body: { email: newAddress(), password: PASSWORD } })
      t.ok(status === 503 || status === 201, `${status}`)
    }
    t.strictSame(await keyspace(redis), ['db3'])
    await redis.cli('ACL', 'SETUSER', 'latchkey', '+select')
    await isReady(one)
    t.equal((await insist(() => verify(one, me))).status, 204)
  }
  await redis.cli('ACL', 'SETUSER', 'latchkey', '-select')
  for (const id of await ids()) await redis.cli('CLIENT', 'KILL', 'ID', id)
  await says(one, /Redis refuses SELECT/)
  await refusesAll(t, one, { ...me, email: newAddress(), password: PASSWORD }, '', { rounds: 1 })
  await redis.cli('ACL', 'SETUSER', 'latchkey', '+select')
  await isReady(one)
  t.equal((await insist(() => refresh(one, me))).status, 200, 'and nobody is logged out')
  t.strictSame(await keyspace(redis), ['db3'])
  isQuiet(t, one)
})

t.test('a password where Redis wants none, a wrong one, none, and an INFO that is refused are heard', async (t) => {
  const [open, closed, blind] = await Promise.all([
    startRedis(),
    startRedis({ args: ['--requirepass', 'other'] }),
    guarded(t, [...RULES, '-info']),
  ])
  for (const redis of [open, closed]) t.teardown(redis.stop)
  const table: [url: string, words: RegExp][] = [
    [`redis://:${PASS}@127.0.0.1:${open.port}`, /Redis refuses AUTH: it wants no password/],
    [`redis://:${PASS}@127.0.0.1:${open.port}/3`, /Redis refuses AUTH: it wants no password/],
    [`redis://:${PASS}@127.0.0.1:${closed.port}`, /Redis refuses AUTH \(WRONGPASS\)/],
    [`redis://127.0.0.1:${closed.port}`, /Redis refuses INFO \(NOAUTH\)/],
    [urlOf(blind), /Redis refuses INFO: .*\+info/],
  ]
  await Promise.all(
    table.map(async ([url, words]) => {
      const one = await launch(t, url, {}, 'live')
      await says(one, words)
      t.ok(isRefusal(await one.call('POST', '/v1/login', { body: { email: nobody.email, password: PASSWORD } })), url)
      isQuiet(t, one)
    }),
  )
})

t.test('a Cluster is heard, too', async (t) => {
  const cluster = await startCluster()
  t.teardown(cluster.stop)
  const url = cluster.url.replace('//', `//:${PASS}@`)
  const one = await launch(t, url, {}, 'live')
  await says(one, /Redis refuses AUTH: it wants no password/)
  t.ok(isRefusal(await one.call('POST', '/v1/login', { body: { email: nobody.email, password: PASSWORD } })))
  isQuiet(t, one)
})
