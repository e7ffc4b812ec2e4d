import t, { type Test } from 'tap'
import { type Home, type Newcomer, openHome } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'

// A stranger's failed guesses are not the owner's: neither behind a live token nor where the owner is at home.

const PASSWORD = 'seven red bicycles in the rain'
const WRONG = 'no such bicycles in this rain'
const DAY = 86_400_000
const [HOME, OFFICE, AWAY] = ['203.0.113.1', '203.0.113.2', '192.0.2.77']

async function open(t: Test, env: Record<string, string>): Promise<Home> {
  const home = await openHome(env)
  t.teardown(home.close)
  return home
}

let people = 0

async function register(home: Home, ip: string, more = {}): Promise<Newcomer> {
  const body = { email: `owner-${(people += 1)}@example.org`, password: PASSWORD, ...more }
  const answer = await home.call('POST', '/v1/register', { body, ip })
  return { ...body, ...answer.body }
}

const login = (home: Home, { email }: { email: string }, password: string, ip: string, more = {}) =>
  home.call('POST', '/v1/login', { body: { email, password, ...more }, ip })

const change = (home: Home, { access_token: token }: { access_token: string }, password: string, ip: string) =>
  home.call('POST', '/v1/password', {
    body: { current_password: password, new_password: PASSWORD },
    token,
    ip,
  })

const remove = (home: Home, { access_token: token }: { access_token: string }, password: string, ip: string) =>
  home.call('DELETE', '/v1/me', { body: { password }, token, ip })

let strangers = 0

/** A stranger at an address never seen before. */
const stranger = () => `198.51.${Math.floor(strangers / 200)}.${(strangers += 1) % 200}`

/** Strangers guess at the account until all of them are refused. */
async function attack(t: Test, home: Home, who: { email: string }): Promise<void> {
  for (let guesses = 0; guesses < 50; guesses += 1)
    if ((await login(home, who, WRONG, stranger())).status === 429) return
  t.fail('nobody was refused')
}

t.test('failed guesses from elsewhere stop nobody who holds a live token, at home or away', async (t) => {
  const home = await open(t, { LIMIT_FAILURES: '3/15m', LIMIT_ACCOUNT_FAILURES: '6/1h' })
  const me = await register(home, HOME)
  await attack(t, home, me)
  t.equal((await login(home, me, PASSWORD, stranger())).status, 429)
  const changed = await change(home, me, PASSWORD, AWAY)
  t.equal(changed.status, 200, 'a password change from an address never seen')
  t.equal((await change(home, changed.body, PASSWORD, HOME)).status, 200, 'and from home')
  for (let guesses = 0; guesses < 4; guesses += 1) await login(home, me, WRONG, HOME)
  t.equal((await login(home, me, PASSWORD, HOME)).status, 429, 'somebody guesses from the owner’s own address')
  const { body: again } = await home.call('POST', '/v1/refresh', {
    body: { refresh_token: changed.body.refresh_token },
  })
  t.equal((await remove(home, again, PASSWORD, HOME)).status, 204, 'a removal, all the same')
})

t.test('behind a token wrong passwords count for that session, and for nothing else', async (t) => {
  const home = await open(t, { LIMIT_FAILURES: '3/15m', LIMIT_ACCOUNT_FAILURES: '4/1h' })
  const me = await register(home, HOME)
  const office = (await login(home, me, PASSWORD, OFFICE)).body as Newcomer
  t.equal((await change(home, me, WRONG, HOME)).status, 403)
  t.equal((await remove(home, me, WRONG, AWAY)).status, 403, 'from wherever it is asked')
  t.equal((await change(home, me, WRONG, stranger())).status, 403)
  for (const ask of [change, remove])
    for (const [password, ip] of [
      [WRONG, HOME],
      [PASSWORD, HOME],
      [PASSWORD, stranger()],
    ] as const)
      t.match(await ask(home, me, password, ip), { status: 429, headers: { 'retry-after': /^[1-9]\d*$/ } })
  t.match(home.events('limit.hit'), [{ limit: 'session_failures' }])
  t.equal((await login(home, me, WRONG, HOME)).status, 401, 'not for the address at login')
  for (let guesses = 0; guesses < 3; guesses += 1) t.equal((await login(home, me, WRONG, stranger())).status, 401)
  t.equal((await change(home, office, WRONG, HOME)).status, 403, 'not for another session of the account')
  t.equal((await change(home, office, PASSWORD, HOME)).status, 200)
})

t.test('passwords tried at once behind a token are no more than the limit', async (t) => {
  const home = await open(t, { LIMIT_FAILURES: '3/15m' })
  const me = await register(home, HOME)
  const guesses = Array.from({ length: 20 }, (_, place) => (place === 19 ? PASSWORD : WRONG))
  const answers = await Promise.all(guesses.map((password) => change(home, me, password, stranger())))
  const count = (wanted: number) => answers.filter(({ status }) => status === wanted).length
  t.strictSame([count(403), count(429)], [3, 17])
})

t.test('the owner gets in from the address of a live session, however long ago the login was', async (t) => {
  const home = await open(t, { LIMIT_ACCOUNT_FAILURES: '2/1h', LIMIT_FAILURES: '3/15m' })
  const me = await register(home, HOME, { remember: true })
  const { body: other } = await login(home, me, PASSWORD, '2001:db8:1:2::1', { remember: true })
  const renew = async ({ refresh_token }: Newcomer, ip: string) =>
    (await home.call<Newcomer>('POST', '/v1/refresh', { body: { refresh_token }, ip })).body
  let [here, there] = [me, other as Newcomer]
  for (let days = 0; days < 39; days += 13) {
    home.clock.advance(13 * DAY)
    here = await renew(here, HOME)
    there = await renew(there, '2001:db8:1:2::2')
  }
  await attack(t, home, me)
  t.equal((await login(home, me, PASSWORD, stranger())).status, 429)
  t.equal((await login(home, me, WRONG, HOME)).status, 401)
  t.equal((await login(home, me, WRONG, '2001:db8:1:2:ffff::')).status, 401, 'with IPv6 its /64')
  t.equal((await login(home, me, PASSWORD, '2001:db8:1:3::1')).status, 429)
  for (let guesses = 0; guesses < 2; guesses += 1) t.equal((await login(home, me, WRONG, HOME)).status, 401)
  t.equal((await login(home, me, WRONG, HOME)).status, 429, 'an address of a session has its own limit')

  await home.call('POST', '/v1/logout', { token: there.access_token })
  t.equal((await login(home, me, PASSWORD, '2001:db8:1:2::1')).status, 429, 'the address of a session that has ended')
})

t.test(
  'the store is asked the same for an account that is there and for one that is not, beyond the limit too',
  async (t) => {
    const redis = await startRedis()
    t.teardown(redis.stop)
    const home = await open(t, { REDIS_URL: redis.url, LIMIT_ACCOUNT_FAILURES: '2/1h' })
    const me = await register(home, HOME)
    for (let sessions = 0; sessions < 3; sessions += 1) await login(home, me, PASSWORD, HOME)
    const nobody = { email: 'nobody@example.org' }
    await attack(t, home, me)
    await attack(t, home, nobody)
    /** How often each command ran for one login. */
    const cost = async (who: { email: string }): Promise<Record<string, string>> => {
      await redis.cli('CONFIG', 'RESETSTAT')
      const answer = await login(home, who, PASSWORD, stranger())
      const report = await redis.cli('INFO', 'commandstats')
      t.equal(answer.status, 429)
      const counted = report.matchAll(/cmdstat_(getex|mget|get|eval|evalsha|pttl|set):calls=(\d+)/g)
      return Object.fromEntries([...counted].map(([, name, calls]) => [name, calls]))
    }
    /** What one login of three costs at the least: work in the background may fall into the others. */
    const leastCost = async (who: { email: string }) => {
      const costs = [await cost(who), await cost(who), await cost(who)]
      const sum = (each: Record<string, string>) =>
        Object.values(each).reduce((total, calls) => total + Number(calls), 0)
      return costs.toSorted((one, other) => sum(one) - sum(other))[0]
    }
    const known = await leastCost(me)
    t.ok(known?.['getex'], JSON.stringify(known))
    t.strictSame(await leastCost(nobody), known)
  },
)
