import t, { type Test } from 'tap'
import { type Home, openHome } from '../support/home.ts'
import { startCluster, startRedis } from '../support/redis.ts'

// Whoever has a /48 has 65,536 times a /64: it is counted, too, and so is a /56.

const PASSWORD = 'seven red bicycles in the rain'
const WRONG = 'no such bicycles in this rain'

async function open(t: Test, env: Record<string, string>): Promise<Home> {
  const home = await openHome(env)
  t.teardown(home.close)
  return home
}

/** How many of these, asked one after the other, are let through. */
async function passed(addresses: readonly string[], ask: (ip: string) => Promise<{ status: number }>): Promise<number> {
  let count = 0
  for (const ip of addresses) if ((await ask(ip)).status !== 429) count += 1
  return count
}

/** Addresses of so many /64s, from the /64 `first` on, of the /48 `place`. */
const networks = (place: number, first: number, count: number) =>
  Array.from({ length: count }, (_, index) => `2001:db8:${place}:${(first + index).toString(16)}::${index + 1}`)

const asks: Record<string, (home: Home, ip: string) => Promise<{ status: number }>> = {
  register: (home, ip) => home.call('POST', '/v1/register', { body: {}, ip }),
  login: (home, ip) => home.call('POST', '/v1/login', { body: {}, ip }),
  refresh: (home, ip) => home.call('POST', '/v1/refresh', { body: { refresh_token: 'x' }, ip }),
  api: (home, ip) => home.call('GET', '/v1/me', { ip }),
}

const places: Record<string, (t: Test) => Promise<Record<string, string>>> = {
  memory: async () => ({}),
  Redis: async (t) => {
    const redis = await startRedis()
    t.teardown(redis.stop)
    return { REDIS_URL: redis.url }
  },
  'a Redis Cluster': async (t) => {
    const cluster = await startCluster()
    t.teardown(cluster.stop)
    return { REDIS_URL: cluster.url }
  },
}

for (const [where, start] of Object.entries(places)) {
  t.test(`a /56 has four times the limit of a /64, and a /48 sixteen times, in ${where}`, async (t) => {
    const env = await start(t)
    const limits = { LIMIT_REGISTER: '2/1m', LIMIT_LOGIN: '2/1m', LIMIT_REFRESH: '2/1m', LIMIT_API: '2/1m' }
    const home = await open(t, { ...env, ...limits })
    for (const [name, ask] of Object.entries(asks)) {
      const at = (ip: string) => ask(home, ip)
      t.equal(await passed(networks(1, 0, 10), at), 8, `${name}: ten /64s of one /56`)
      t.equal(await passed(networks(1, 0x100, 10), at), 8, 'of the next /56')
      t.equal(await passed(networks(1, 0x200, 10), at), 8, 'of a third')
      t.equal(await passed(networks(1, 0x300, 10), at), 8, 'of a fourth')
      t.equal(await passed(networks(1, 0x400, 10), at), 0, 'and no more in this /48')
      t.equal(await passed(networks(2, 0, 10), at), 8, 'the neighbour has its own')
      t.equal(await passed(['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2'], at), 3, 'IPv4 is counted by itself')
    }
  })
}

t.test(
  'what is refused counts for nobody: one /64 that goes on and on takes nothing from its neighbours',
  async (t) => {
    const home = await open(t, { LIMIT_REFRESH: '2/1m' })
    const at = (ip: string) => home.call('POST', '/v1/refresh', { body: { refresh_token: 'x' }, ip })
    t.equal(
      await passed(
        Array.from({ length: 100 }, () => '2001:db8:1:1::1'),
        at,
      ),
      2,
    )
    t.equal(await passed(networks(1, 2, 6), at), 6)
    t.equal(await passed(networks(1, 0x102, 10), at), 8)
  },
)

t.test('asked all at once they are no more', async (t) => {
  const home = await open(t, { LIMIT_REFRESH: '2/1m' })
  const answers = await Promise.all(
    networks(1, 0, 100).map((ip) => home.call('POST', '/v1/refresh', { body: { refresh_token: 'x' }, ip })),
  )
  t.equal(answers.filter(({ status }) => status === 401).length, 8)
})

t.test(
  'failed guesses at an account are counted by /64, /56 and /48, and the owner’s own /64 apart from them',
  async (t) => {
    const home = await open(t, { LIMIT_FAILURES: '1/15m' })
    const email = 'v6@example.org'
    await home.call('POST', '/v1/register', { body: { email, password: PASSWORD }, ip: '2001:db8:1:7::1' })
    const guess = (ip: string) => home.call('POST', '/v1/login', { body: { email, password: WRONG }, ip })
    t.equal(await passed(networks(1, 0x10, 6), guess), 4, 'of one /56')
    for (const first of [0x110, 0x210, 0x310]) t.equal(await passed(networks(1, first, 6), guess), 4)
    t.equal(await passed(networks(1, 0x410, 6), guess), 0, 'of the /48')
    t.equal(await passed(networks(2, 0x410, 1), guess), 1, 'of the next')
    const login = (ip: string) => home.call('POST', '/v1/login', { body: { email, password: PASSWORD }, ip })
    t.equal((await login('2001:db8:1:1::1')).status, 429, 'a stranger with the right password')
    t.equal((await login('2001:db8:1:7:ffff::')).status, 200, 'the owner, whose neighbours do not count')
    t.equal((await guess('2001:db8:1:7::2')).status, 401)
    t.equal((await login('2001:db8:1:7::3')).status, 429, 'but their own failures do')
  },
)

t.test('on Redis an address costs one command, IPv6 as IPv4', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const home = await open(t, { REDIS_URL: redis.url, LIMIT_REFRESH: '100/1m' })
  const at = (ip: string) => home.call('POST', '/v1/refresh', { body: { refresh_token: 'x' }, ip })
  const cost = async (ip: string) => {
    await at(ip) // from now on the script is there
    await redis.cli('CONFIG', 'RESETSTAT')
    t.equal((await at(ip)).status, 401)
    const report = await redis.cli('INFO', 'commandstats')
    return [...report.matchAll(/cmdstat_(eval|evalsha):calls=(\d+)/g)].map(([, name, calls]) => `${name} ${calls}`)
  }
  t.strictSame(await cost('192.0.2.1'), ['evalsha 1'])
  t.strictSame(await cost('2001:db8::1'), ['evalsha 1'])
})
