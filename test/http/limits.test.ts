import t, { type Test } from 'tap'
import { type Answer, type CallOptions, type Home, type Newcomer, openHome } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'

const PASSWORD = 'seven red bicycles in the rain'
const WRONG = 'no such bicycles in this rain'
const DAY = 86_400_000

async function open(t: Test, env: Record<string, string>): Promise<Home> {
  const home = await openHome(env)
  t.teardown(home.close)
  return home
}

const login = (home: Home, email: string, password: string, ip = '127.0.0.1', headers = {}) =>
  home.call('POST', '/v1/login', { body: { email, password }, ip, headers })

/** The statuses of the same request sent `count` times, one after the other. */
async function statuses(count: number, send: (place: number) => Promise<Answer>): Promise<number[]> {
  const found: number[] = []
  for (let i = 0; i < count; i += 1) found.push((await send(i)).status)
  return found
}

function isLimited(t: Test, { status, headers, body }: Answer, most: number, what = '') {
  t.equal(status, 429, what)
  t.match(headers['content-type'], 'application/problem+json')
  t.match(body, { status: 429, code: 'too_many_requests' })
  t.match(headers['retry-after'], /^[1-9]\d*$/)
  t.ok(Number(headers['retry-after']) <= most, `Retry-After ${headers['retry-after']}`)
}

// What costs nothing and is counted all the same: limits come before the body is looked at.
const CHEAP: Record<string, [method: string, path: string, options: CallOptions]> = {
  REGISTER: ['POST', '/v1/register', { body: {} }],
  LOGIN: ['POST', '/v1/login', { body: {} }],
  REFRESH: ['POST', '/v1/refresh', { body: { refresh_token: 'x' } }],
  API: ['GET', '/v1/me', {}],
}

// ---- Per address

t.test('each limit counts the requests of one address, and says when to come back', async (t) => {
  for (const [name, [method, path, options]] of Object.entries(CHEAP)) {
    const home = await open(t, { [`LIMIT_${name}`]: '3/1m' })
    const send = (ip: string) => home.call(method, path, { ...options, ip })
    t.notOk((await statuses(3, () => send('203.0.113.1'))).includes(429), name)
    for (let i = 0; i < 3; i += 1) isLimited(t, await send('203.0.113.1'), 60, name)
    t.not((await send('203.0.113.2')).status, 429, 'another address has its own count')
    for (const [other, [method, path, options]] of Object.entries(CHEAP)) {
      if (other !== name)
        t.not((await home.call(method, path, { ...options, ip: '203.0.113.1' })).status, 429, `${name} is not ${other}`)
    }
    t.match(home.events('limit.hit')[0], { limit: name.toLowerCase(), ip: '203.0.113.1' })
  }
})

t.test('the limit of the rest is one for all of it, unknown paths included', async (t) => {
  const home = await open(t, { LIMIT_API: '7/1m' })
  const me = await home.newcomer()
  const { access_token: token } = me
  const kinds: [string, string, CallOptions][] = [
    ['GET', '/v1/me', { token }],
    ['GET', '/v1/sessions', { token }],
    ['GET', '/v1/session/data', { token }],
    ['PATCH', '/v1/me/preferences', { token, body: {} }],
    ['POST', '/v1/logout', { body: { refresh_token: 'x' } }],
    ['GET', '/nowhere', {}],
    ['PUT', '/v1/login', {}],
  ]
  for (const [method, path, options] of kinds) t.not((await home.call(method, path, options)).status, 429, path)
  for (const [method, path, options] of kinds) isLimited(t, await home.call(method, path, options), 60, path)
})

t.test('what gateways, libraries and balancers ask is never limited', async (t) => {
  const home = await open(t, { LIMIT_API: '1/1m', LIMIT_LOGIN: '1/1m', LIMIT_REFRESH: '1/1m', LIMIT_REGISTER: '1/1m' })
  const me = await home.newcomer()
  for (const path of [
    '/v1/verify',
    '/.well-known/jwks.json',
    '/livez',
    '/readyz',
    '/readyz/own',
    '/openapi.json',
    '/docs',
  ]) {
    const found = new Set(await statuses(30, () => home.call('GET', path, { token: me.access_token })))
    t.strictSame(found, new Set([path === '/v1/verify' ? 204 : 200]), path)
  }
  t.strictSame(new Set(await statuses(30, () => home.call('GET', '/v1/verify', { token: 'garbage' }))), new Set([401]))
})

t.test('after the time that Retry-After names the client gets in again', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  for (const env of [{}, { REDIS_URL: redis.url }]) {
    const home = await open(t, { ...env, LIMIT_REFRESH: '2/1s' })
    const send = () => home.call(...(CHEAP['REFRESH'] as [string, string, CallOptions]))
    const refused = await eventually(
      async () => {
        const answer = await send()
        return answer.status === 429 && answer
      },
      { within: 2000 },
    )
    isLimited(t, refused, 1)
    t.ok(await eventually(async () => (await send()).status === 401, { within: 3000 }))
  }
})

t.test('IPv6: a whole /64 is one address, its neighbour another', async (t) => {
  const home = await open(t, { LIMIT_REFRESH: '3/1m' })
  const send = (ip: string) => home.call('POST', '/v1/refresh', { body: { refresh_token: 'x' }, ip })
  const same = ['2001:db8:1:2::1', '2001:DB8:1:2:ffff:ffff:ffff:ffff', '2001:0db8:0001:0002:0000:0000:0000:0002']
  for (const ip of same) t.equal((await send(ip)).status, 401)
  for (const ip of [...same, '2001:db8:1:2:aaaa::']) isLimited(t, await send(ip), 60, ip)
  for (const ip of ['2001:db8:1:3::1', '2001:db8:1:1:ffff::', '2001:db8:1::2'])
    t.equal((await send(ip)).status, 401, ip)
})

t.test('an IPv4 address is the same one when it comes mapped into IPv6', async (t) => {
  const home = await open(t, { LIMIT_REFRESH: '3/1m' })
  const send = (ip: string) => home.call('POST', '/v1/refresh', { body: { refresh_token: 'x' }, ip })
  for (const ip of ['203.0.113.9', '::ffff:203.0.113.9', '::ffff:cb00:7109']) t.equal((await send(ip)).status, 401)
  for (const ip of ['203.0.113.9', '::ffff:203.0.113.9']) isLimited(t, await send(ip), 60, ip)
  t.equal((await send('::ffff:203.0.113.10')).status, 401, 'others mapped likewise are others')
})

t.test('no header makes another address of a client that comes straight to the port', async (t) => {
  const names = [
    'x-forwarded-for',
    'x-real-ip',
    'x-client-ip',
    'cf-connecting-ip',
    'true-client-ip',
    'x-cluster-client-ip',
    'fastly-client-ip',
    'x-forwarded',
    'forwarded-for',
    'client-ip',
  ]
  for (const env of [{}, { TRUST_PROXY: '10.0.0.0/8' }]) {
    const home = await open(t, { ...env, LIMIT_REFRESH: '3/1m' })
    const found = await statuses(30, (i) => {
      const address = `198.51.100.${i}`
      const headers = {
        ...Object.fromEntries(names.map((name) => [name, address])),
        forwarded: `for=${address};proto=https`,
      }
      return home.call('POST', '/v1/refresh', { body: { refresh_token: 'x' }, ip: '203.0.113.1', headers })
    })
    t.strictSame(found, [401, 401, 401, ...Array<number>(27).fill(429)])
  }
})

t.test('behind a trusted proxy each client has its own count, by the address the proxy has seen', async (t) => {
  const home = await open(t, { TRUST_PROXY: '10.0.0.0/8,192.0.2.1', LIMIT_REFRESH: '2/1m' })
  const send = (xff: string | undefined, ip = '10.0.0.1', more: Record<string, string> = {}) => {
    const headers = { ...(xff === undefined ? {} : { 'x-forwarded-for': xff }), ...more }
    return home.call('POST', '/v1/refresh', { body: { refresh_token: 'x' }, ip, headers })
  }
  t.strictSame(await statuses(3, () => send('203.0.113.1')), [401, 401, 429])
  t.strictSame(await statuses(3, () => send('203.0.113.2')), [401, 401, 429], 'another client')
  t.strictSame(
    await statuses(3, (i) => send(`198.51.100.${i}, 203.0.113.1`)),
    [429, 429, 429],
    'what the client wrote itself',
  )
  t.strictSame(await statuses(3, () => send('203.0.113.1, 10.0.0.9', '192.0.2.1')), [429, 429, 429], 'two proxies')
  t.strictSame(
    await statuses(3, (i) =>
      send('203.0.113.1', '10.0.0.1', { 'x-real-ip': `198.51.100.${i}`, forwarded: `for=198.51.100.${i}` }),
    ),
    [429, 429, 429],
  )
  t.strictSame(await statuses(3, (i) => send(`198.51.100.${i}`, '203.0.113.3')), [401, 401, 429], 'past the proxy')
  t.strictSame(await statuses(4, (i) => send(`2001:db8::${i}`)), [401, 401, 429, 429], 'an IPv6 client')
  t.strictSame(await statuses(4, () => send(undefined, '10.0.0.7')), [401, 401, 429, 429], 'the proxy itself')
  const odd = [
    'garbage',
    '',
    ' ',
    'unknown',
    '203.0.113.300',
    '<script>',
    'x'.repeat(2000),
    '__proto__',
    '127.1',
    '::g',
  ]
  t.strictSame(
    (await statuses(odd.length, (i) => send(odd[i], '10.0.0.8'))).slice(2),
    Array<number>(8).fill(429),
    'no garbage is an address',
  )
})

t.test('the address in the list of sessions and in the log is the client behind the proxy', async (t) => {
  const home = await open(t, { TRUST_PROXY: '10.0.0.1' })
  const body = { email: 'proxied@example.org', password: PASSWORD }
  const headers = { 'x-forwarded-for': '198.51.100.66, 203.0.113.5' }
  const me = await home.call('POST', '/v1/register', { body, ip: '10.0.0.1', headers })
  const { sessions } = (await home.call('GET', '/v1/sessions', { token: me.body.access_token })).body
  t.equal(sessions[0].ip, '203.0.113.5')
  t.match(home.events('account.registered'), [{ ip: '203.0.113.5' }])
})

// ---- Guesses at a password

t.test('wrong passwords from one address are limited for that account, the right one beyond it too', async (t) => {
  const home = await open(t, { LIMIT_FAILURES: '3/15m' })
  const [me, neighbour] = [await home.newcomer(), await home.newcomer()]
  const guess = (password: string, ip = '198.51.100.1') => login(home, me.email, password, ip)
  t.strictSame(await statuses(3, () => guess(WRONG)), [401, 401, 401])
  isLimited(t, await guess(WRONG), 900)
  isLimited(t, await guess(PASSWORD), 900, 'nobody learns by this that it was right')
  t.equal((await login(home, neighbour.email, PASSWORD, '198.51.100.1')).status, 200, 'other accounts from there')
  t.equal((await guess(PASSWORD, '198.51.100.2')).status, 200, 'the account from elsewhere')
  isLimited(t, await guess(PASSWORD), 900, 'which does not let the guesser in')
  t.equal((await home.call('GET', '/v1/verify', { token: me.access_token })).status, 204)
  t.equal((await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })).status, 200)
})

for (const where of ['memory', 'Redis'] as const) {
  t.test(`in ${where} a limit of guesses ends with its window, however many guesses go on`, async (t) => {
    const redis = where === 'Redis' ? await startRedis() : null
    t.teardown(() => redis?.stop())
    const store = redis ? { REDIS_URL: redis.url } : {}
    for (const limit of [{ LIMIT_FAILURES: '2/1s' }, { LIMIT_ACCOUNT_FAILURES: '2/1s' }]) {
      const home = await open(t, { ...store, ...limit })
      const me = await home.newcomer()
      const guess = (password: string) => login(home, me.email, password, '198.51.100.1')
      await eventually(async () => (await guess(WRONG)).status === 429, { within: 5000 })
      const getsIn = async () => {
        await guess(WRONG)
        return (await guess(PASSWORD)).status === 200
      }
      t.ok(await eventually(getsIn, { within: 5000 }), Object.keys(limit).join())
    }
  })
}

t.test('a login of one’s own between the guesses does not start the count anew', async (t) => {
  const home = await open(t, { LIMIT_FAILURES: '3/15m' })
  const [me, guesser] = [await home.newcomer(), await home.newcomer()]
  const found: number[] = []
  for (let i = 0; i < 5; i += 1) {
    t.equal((await login(home, guesser.email, PASSWORD, '198.51.100.1')).status, 200)
    found.push((await login(home, me.email, WRONG, '198.51.100.1')).status)
  }
  t.strictSame(found, [401, 401, 401, 429, 429])
})

t.test('every spelling of an address is one account to the limits', async (t) => {
  const home = await open(t, { LIMIT_FAILURES: '3/15m' })
  await home.call('POST', '/v1/register', { body: { email: 'ada@b\u00fccher.example', password: PASSWORD } })
  const spellings = [
    'ada@b\u00fccher.example',
    ' ADA@BU\u0308CHER.example',
    'ada@xn--bcher-kva.example',
    'Ada@B\u00fccher.Example\t',
  ]
  t.strictSame(await statuses(4, (i) => login(home, spellings[i] ?? '', WRONG, '198.51.100.1')), [401, 401, 401, 429])
})

t.test('an account that does not exist is limited just like one that does', async (t) => {
  const home = await open(t, { LIMIT_FAILURES: '3/15m', LIMIT_ACCOUNT_FAILURES: '5/1h' })
  const me = await home.newcomer()
  const shape = ({ status, headers, body }: Answer) => {
    const { date: _, 'retry-after': seconds, ...others } = headers
    return { status, body, others, isLong: Number(seconds) > 900 }
  }
  const attack = async (email: string) => {
    const found: object[] = []
    for (let i = 0; i < 5; i += 1) found.push(shape(await login(home, email, WRONG, '198.51.100.1')))
    for (let i = 2; i < 7; i += 1) found.push(shape(await login(home, email, WRONG, `198.51.100.${i}`)))
    return found
  }
  const known = await attack(me.email)
  t.strictSame(
    known.map((each) => (each as { status: number }).status),
    [401, 401, 401, 429, 429, 401, 401, 429, 429, 429],
  )
  t.strictSame(await attack('nobody@example.org'), known)
  t.strictSame(await attack('nobody@localhost'), known, 'what is no address at all')
})

t.test('guesses sent all at once are no more than the limit', async (t) => {
  const home = await open(t, { LIMIT_FAILURES: '5/15m' })
  const me = await home.newcomer()
  const answers = await Promise.all(Array.from({ length: 30 }, () => login(home, me.email, WRONG, '198.51.100.1')))
  const count = (wanted: number) => answers.filter(({ status }) => status === wanted).length
  t.equal(count(401), 5)
  t.equal(count(429), 25)
})

t.test('many addresses at one account: strangers are locked out, the owner is not', async (t) => {
  const home = await open(t, { LIMIT_FAILURES: '3/15m', LIMIT_ACCOUNT_FAILURES: '5/1h' })
  const registered = '203.0.113.1'
  const body = { email: 'owner@example.org', password: PASSWORD }
  const me = (await home.call('POST', '/v1/register', { body, ip: registered })).body as Newcomer
  const owner = (ip: string, password = PASSWORD) => login(home, body.email, password, ip)
  t.equal((await owner('203.0.113.2')).status, 200, 'a place the owner logs in from')

  t.strictSame(await statuses(5, (i) => owner(`198.51.100.${i}`, WRONG)), [401, 401, 401, 401, 401])
  isLimited(t, await owner('198.51.100.77', WRONG), 3600)
  isLimited(t, await owner('198.51.100.78'), 3600, 'the right password from a strange address')
  for (const ip of [registered, '203.0.113.2']) t.equal((await owner(ip)).status, 200, `the owner at ${ip}`)
  isLimited(t, await owner('198.51.100.79', WRONG), 3600, 'whose login lets no stranger in')

  const wish = { current_password: PASSWORD, new_password: 'quite another password' }
  const change = (ip: string) => home.call('POST', '/v1/password', { token: me.access_token, body: wish, ip })
  t.equal((await change('198.51.100.80')).status, 200, 'behind a live token nobody is a stranger')
  t.strictSame(
    await statuses(4, () => owner(registered, WRONG)),
    [401, 401, 401, 429],
    'the place of the owner has its own limit',
  )
})

t.test('the owner is known by place for 30 days after the last login there', async (t) => {
  const home = await open(t, { LIMIT_ACCOUNT_FAILURES: '2/1h' })
  const body = { email: 'traveller@example.org', password: PASSWORD }
  const [lately, longAgo, stranger] = ['203.0.113.1', '203.0.113.2', '198.51.100.1']
  await home.call('POST', '/v1/register', { body, ip: longAgo })
  home.clock.advance(1)
  await login(home, body.email, PASSWORD, lately)
  t.strictSame(await statuses(3, () => login(home, body.email, WRONG, stranger)), [401, 401, 429])
  home.clock.advance(30 * DAY - 1)
  isLimited(t, await login(home, body.email, PASSWORD, longAgo), 3600)
  t.equal((await login(home, body.email, PASSWORD, lately)).status, 200)
  home.clock.advance(30 * DAY - 1)
  t.equal((await login(home, body.email, PASSWORD, lately)).status, 200, 'counted from the last login')
})

t.test('the owner’s place is the /64 with IPv6, and the same address mapped', async (t) => {
  const home = await open(t, { LIMIT_ACCOUNT_FAILURES: '2/1h' })
  const body = { email: 'v6@example.org', password: PASSWORD }
  await home.call('POST', '/v1/register', { body, ip: '2001:db8:1:2:aaaa:bbbb:cccc:1' })
  await login(home, body.email, PASSWORD, '203.0.113.1')
  t.strictSame(await statuses(3, () => login(home, body.email, WRONG, '198.51.100.1')), [401, 401, 429])
  t.equal(
    (await login(home, body.email, PASSWORD, '2001:db8:1:2:dddd:eeee:ffff:2')).status,
    200,
    'a privacy address of the same network',
  )
  t.equal((await login(home, body.email, PASSWORD, '::ffff:203.0.113.1')).status, 200)
  isLimited(t, await login(home, body.email, PASSWORD, '2001:db8:1:3::1'), 3600)
})

// ---- Over all instances

t.test('limits hold over three instances: round robin brings nobody more', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const env = {
    REDIS_URL: redis.url,
    LIMIT_LOGIN: '7/1m',
    LIMIT_REFRESH: '7/1m',
    LIMIT_REGISTER: '7/1m',
    LIMIT_API: '7/1m',
  }
  const homes = [await open(t, env), await open(t, env), await open(t, env)] as const
  const at = (i: number) => homes[i % 3] as Home
  for (const [name, [method, path, options]] of Object.entries(CHEAP)) {
    const found = await statuses(12, (i) => at(i).call(method, path, { ...options, ip: '203.0.113.1' }))
    t.strictSame(found.slice(7), [429, 429, 429, 429, 429], name)
    t.notOk(found.slice(0, 7).includes(429), name)
    const parallel = await Promise.all(
      Array.from({ length: 12 }, (_, i) => at(i).call(method, path, { ...options, ip: '203.0.113.2' })),
    )
    t.equal(parallel.filter(({ status }) => status === 429).length, 5, `${name} at once`)
  }
})

t.test('failed guesses are counted over all instances', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const env = { REDIS_URL: redis.url, LIMIT_FAILURES: '4/15m', LIMIT_ACCOUNT_FAILURES: '7/1h' }
  const homes = [await open(t, env), await open(t, env)] as const
  const me = await homes[0].newcomer()
  const guess = (i: number, ip: string, password = WRONG) => login(homes[i % 2] as Home, me.email, password, ip)
  t.strictSame(await statuses(5, (i) => guess(i, '198.51.100.1')), [401, 401, 401, 401, 429])
  isLimited(t, await guess(1, '198.51.100.1', PASSWORD), 900)
  t.strictSame(await statuses(4, (i) => guess(i, `198.51.100.${i + 2}`)), [401, 401, 401, 429])
  for (const i of [0, 1]) t.equal((await guess(i, '127.0.0.1', PASSWORD)).status, 200, 'the owner, everywhere')
  const held = (await redis.cli('KEYS', '*limit*')).split('\n')
  for (const key of held) {
    t.ok(Number(await redis.cli('PTTL', key)) > 0, 'each count vanishes by itself')
    t.notOk(key.includes(me.email), 'and names nobody')
  }
})

t.test('Redis gone: a limit that cannot be counted is 503, never unlimited guesses', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const home = await open(t, { REDIS_URL: redis.url, LIMIT_LOGIN: '1000/1m' })
  const me = await home.newcomer()
  const kinds: [string, string, CallOptions][] = [
    ['POST', '/v1/login', { body: { email: me.email, password: PASSWORD } }],
    ['POST', '/v1/login', { body: { email: me.email, password: WRONG } }],
    ['POST', '/v1/register', { body: { email: 'late@example.org', password: PASSWORD } }],
    ['POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } }],
    ['POST', '/v1/refresh', { body: { refresh_token: 'what needs no store to be refused' } }],
    ['POST', '/v1/login', { body: {} }],
    ['POST', '/v1/password', { token: me.access_token, body: { current_password: WRONG, new_password: PASSWORD } }],
    ['DELETE', '/v1/me', { token: me.access_token, body: { password: PASSWORD } }],
  ]
  const isUnknowable = async (t: Test) => {
    for (const [method, path, options] of kinds) {
      const began = performance.now()
      const answer = await home.call(method, path, options)
      t.match(
        answer,
        { status: 503, headers: { 'retry-after': /^[1-9]\d*$/ }, body: { code: 'store_unavailable' } },
        path,
      )
      t.ok(performance.now() - began < 2000, 'and nobody hangs')
    }
  }
  redis.freeze()
  await isUnknowable(t)
  redis.thaw()
  t.ok(await eventually(async () => (await home.call('GET', '/readyz')).status === 200, { within: 5000 }))
  t.equal((await home.call('GET', '/v1/verify', { token: me.access_token })).status, 204)

  await redis.kill()
  await isUnknowable(t)
  const storm = await Promise.all(Array.from({ length: 200 }, () => login(home, me.email, WRONG)))
  t.strictSame(new Set(storm.map(({ status }) => status)), new Set([503]))

  await redis.restart()
  const answer = await eventually(
    async () => {
      const found = await login(home, me.email, WRONG)
      return found.status === 401 && found
    },
    { within: 5000 },
  )
  t.match(answer.body, { code: 'bad_credentials' })
})
