import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { StoreUnavailable } from '../../src/store/store.ts'
import { ADMIN } from '../support/env.ts'
import { type AdminHome, openAdminApp, openAdminHome } from '../support/admin.ts'
import { callApp } from '../support/home.ts'
import { openMailHome } from '../support/mail-home.ts'
import { readSamples, readTypes, type Samples } from '../support/metrics.ts'
import { eventually } from '../support/settle.ts'

// What /metrics of the operator's listener tells, and what it never does.

const WRONG = 'no such bicycles in this rain'
const scrape = async ({ admin }: Pick<AdminHome, 'admin'>): Promise<Samples> =>
  readSamples((await admin<string>('GET', '/metrics', { token: undefined as never })).body)

/** Makes what says by how much each sample has risen since; those that have not are left out. */
async function changes(home: AdminHome): Promise<(pattern: RegExp) => Promise<Record<string, number>>> {
  const before = await scrape(home)
  return async (pattern) => {
    const rises = [...(await scrape(home))].map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const)
    return Object.fromEntries(rises.filter(([name, rise]) => rise !== 0 && pattern.test(name)))
  }
}

t.test('the page needs no key, is in the format of Prometheus, and is on the operator’s listener only', async (t) => {
  const home = await openAdminHome(t)
  const { status, headers, body } = await home.admin<string>('GET', '/metrics', { token: undefined as never })
  t.equal(status, 200)
  t.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  t.ok(readTypes(body).get('latchkey_http_request_seconds') === 'histogram')
  t.ok(readTypes(body).has('process_cpu_seconds_total') && readTypes(body).has('nodejs_eventloop_lag_p99_seconds'))
  t.equal((await home.call('GET', '/metrics')).status, 404)
})

t.test('requests are counted by route and class of status, with their time', async (t) => {
  const home = await openAdminHome(t)
  const me = await home.newcomer()
  const risen = await changes(home)
  await home.call('GET', '/v1/me', { token: me.access_token })
  await home.app.inject({ method: 'HEAD', url: '/v1/me', headers: { authorization: `Bearer ${me.access_token}` } })
  await home.call('GET', '/v1/me')
  await home.call('GET', '/v1/nothing')
  await home.call('DELETE', '/v1/login')
  t.strictSame(await risen(/request_seconds_count/), {
    'latchkey_http_request_seconds_count{method="GET",route="/v1/me",status="2xx"}': 2,
    'latchkey_http_request_seconds_count{method="GET",route="/v1/me",status="4xx"}': 1,
    'latchkey_http_request_seconds_count{method="none",route="none",status="4xx"}': 2,
    'latchkey_http_request_seconds_count{method="GET",route="/metrics",status="2xx"}': 1,
  })
  const of = 'latchkey_http_request_seconds_bucket{method="GET",route="/v1/me",status="2xx",le='
  const samples = await scrape(home)
  const buckets = [...samples].filter(([name]) => name.startsWith(of)).map(([, count]) => count)
  t.equal(buckets.length, 13)
  t.strictSame(
    buckets,
    buckets.toSorted((one, other) => one - other),
    'each bucket has those of the one before',
  )
  t.equal(samples.get(`${of}"+Inf"}`), 2)
})

t.test('a request that the store holds up for longer is in a later bucket', async (t) => {
  const home = await openAdminHome(t)
  const me = await home.newcomer()
  const { store } = home.deps
  const real = { ...store }
  Object.assign(store, { getMany: async (keys: never) => wait(60).then(() => real.getMany(keys)) })
  await home.call('GET', '/v1/verify', { token: me.access_token })
  const at = (le: string) =>
    `latchkey_http_request_seconds_bucket{method="GET",route="/v1/verify",status="2xx",le="${le}"}`
  const samples = await scrape(home)
  t.equal(samples.get(at('0.05')), 0)
  t.equal(samples.get(at('2.5')), 1)
})

t.test('verify is counted by what the token was', async (t) => {
  const home = await openAdminHome(t)
  const [me, old, gone] = [await home.newcomer(), await home.newcomer(), await home.newcomer()]
  await home.call('POST', '/v1/logout', { body: { refresh_token: gone.refresh_token } })
  const risen = await changes(home)
  const verify = (token?: string, query = '') =>
    home.call('GET', `/v1/verify${query}`, token === undefined ? {} : { token })
  await verify(me.access_token)
  await verify(me.access_token, '?role=editor')
  await verify(me.access_token, '?max_age=x')
  await verify(gone.access_token)
  await verify(`${me.access_token.slice(0, -4)}AAAA`)
  await verify()
  const { store } = home.deps
  const real = { ...store }
  Object.assign(store, { getMany: async () => Promise.reject(new StoreUnavailable('away')) })
  await verify(me.access_token)
  Object.assign(store, real)
  home.clock.advance(400_000)
  await verify(old.access_token)
  const outcomes = ['alive', 'insufficient', 'malformed', 'revoked', 'invalid', 'missing', 'unknown', 'expired']
  t.strictSame(
    await risen(/verifications/),
    Object.fromEntries(outcomes.toSorted().map((outcome) => [`latchkey_verifications_total{outcome="${outcome}"}`, 1])),
  )
})

t.test('refreshes are counted by kind, denials by what they deny, events by name', async (t) => {
  const home = await openAdminHome(t)
  const me = await home.newcomer()
  const risen = await changes(home)
  const refresh = async (token: string) =>
    (await home.call('POST', '/v1/refresh', { body: { refresh_token: token } })).body.refresh_token
  const second = await refresh(me.refresh_token)
  await refresh(me.refresh_token)
  const third = await refresh(second)
  home.clock.advance(30_000)
  await refresh(second)
  await refresh(third)
  home.clock.advance(30_000)
  await refresh(me.refresh_token)
  await refresh('no token of ours')
  t.strictSame(await risen(/refreshes|denials|session\.(?:reused|ended)/), {
    'latchkey_refreshes_total{kind="rotate"}': 3,
    'latchkey_refreshes_total{kind="repeat"}': 1,
    'latchkey_refreshes_total{kind="late"}': 1,
    'latchkey_refreshes_total{kind="reuse"}': 1,
    'latchkey_refreshes_total{kind="refused"}': 1,
    'latchkey_denials_total{of="session"}': 1,
    'latchkey_events_total{event="session.reused"}': 1,
    'latchkey_events_total{event="session.ended"}': 1,
  })
})

t.test('limits, what the store does and why it fails, and the age of the key are told', async (t) => {
  const home = await openAdminHome(t, { LIMIT_FAILURES: '1/1h' })
  const { email } = await home.newcomer()
  const login = () => home.call('POST', '/v1/login', { body: { email, password: WRONG } })
  const risen = await changes(home)
  await login()
  await login()
  t.match(await risen(/limits_hit/), { 'latchkey_limits_hit_total{limit="failures"}': 1 })
  t.ok((await scrape(home)).has('latchkey_store_command_seconds_count{command="commit"}'))
  home.clock.advance(3_600_000)
  const age = (await scrape(home)).get('latchkey_signing_key_age_seconds') ?? 0
  t.ok(age >= 3600 && age < 3700, `${age}`)
  t.equal((await scrape(home)).get('latchkey_signing_key_rotation_seconds'), 30 * 86_400)
})

t.test('the readiness is what was last found', async (t) => {
  const home = await openAdminHome(t)
  t.equal((await scrape(home)).get('latchkey_ready'), 0, 'nobody has looked yet')
  await home.admin('GET', '/readyz')
  t.equal((await scrape(home)).get('latchkey_ready'), 1)
  Object.assign(home.deps.store, { faults: async () => ['away'], weaknesses: async () => ['one', 'two'] })
  await home.admin('GET', '/readyz')
  t.equal((await scrape(home)).get('latchkey_ready'), 0)
  t.equal((await scrape(home)).get('latchkey_warnings'), 2)
})

t.test('a hash that is refused is counted, and so are those that are made and that wait', async (t) => {
  const home = await openAdminHome(t)
  const { hashing } = home.deps
  const many = Array.from({ length: 300 }, () =>
    hashing.hash(WRONG).then(
      () => 1,
      () => 0,
    ),
  )
  const busy = await scrape(home)
  const made = (await Promise.all(many)).reduce((sum: number, each) => sum + each, 0)
  const refused = (await scrape(home)).get('latchkey_hashing_refused_total') ?? 0
  t.ok(refused > 0, `${refused}`)
  t.equal(made + refused, 300)
  t.ok((busy.get('latchkey_hashing_running') ?? 0) > 0 && (busy.get('latchkey_hashing_waiting') ?? 0) > 0)
  t.equal((await scrape(home)).get('latchkey_hashing_waiting'), 0)
})

t.test('mails that wait are counted, with the age of the oldest', async (t) => {
  const home = await openMailHome(t, { ...ADMIN, MAIL_URL: 'smtp://127.0.0.1:1' })
  const adminApp = await openAdminApp(home)
  t.teardown(() => adminApp.close())
  const read = async () => readSamples((await callApp<string>(adminApp, 'GET', '/metrics')).body)
  t.equal((await read()).get('latchkey_mails_waiting'), 0)
  const { email } = await home.newcomer()
  await home.call('POST', '/v1/password/forgot', { body: { email } })
  await eventually(async () => (await read()).get('latchkey_mails_waiting') === 1, { within: 5000 })
  home.clock.advance(120_000)
  const age = (await read()).get('latchkey_mails_oldest_seconds') ?? 0
  t.ok(age >= 120 && age < 200, `${age}`)
})

/** What clients may send to have their way with the page: paths, methods, tokens, addresses, headers. */
async function assail(home: AdminHome, at: number, token: string): Promise<void> {
  const junk = `${at}-${Math.random().toString(36).slice(2)}`
  const headers = { 'x-forwarded-for': `203.0.113.${at % 256}`, 'user-agent': junk, 'x-actor': junk }
  for (const path of [`/${junk}`, `/v1/${junk}`, `/v1/me/../${junk}`, `/%2e%2e/${junk}`, `/v1/sessions/${junk}`])
    for (const method of ['GET', 'PROPFIND', 'OPTIONS', 'DELETE']) await home.call(method, path, { token, headers })
  await home.call('GET', `/v1/verify?role=${junk}&x=${junk}`, { token, headers })
  await home.call('GET', '/v1/verify', { token: `${token.slice(0, -8)}${junk.slice(0, 8)}`, headers })
  await home.call('POST', '/v1/login', { body: { email: `${junk}@example.org`, password: WRONG }, headers })
  await home.call('POST', '/v1/refresh', { body: { refresh_token: junk }, headers })
  await home.admin('GET', `/admin/v1/${junk}`, { token: junk, headers })
  await home.admin('GET', `/admin/v1/users/${junk}`, { headers })
  await home.admin('GET', `/${junk}`, { headers })
}

const namesOf = (samples: Samples) => [...samples.keys()].filter((name) => name.startsWith('latchkey_'))

t.test('nothing that clients send makes another series, or is on the page', async (t) => {
  const home = await openAdminHome(t)
  const me = await home.newcomer()
  await assail(home, 0, me.access_token)
  await scrape(home) // which is a request, too
  const before = namesOf(await scrape(home))
  for (let at = 1; at <= 30; at += 1) await assail(home, at, me.access_token)
  t.strictSame(namesOf(await scrape(home)), before)
  t.ok(before.length < 700, `${before.length} series`)
  const { body } = await home.admin<string>('GET', '/metrics')
  const secrets = [me.user.id, me.session_id, me.email, me.access_token, me.refresh_token, '203.0.113', 'example.org']
  for (const secret of secrets) t.notOk(body.includes(secret), secret.slice(0, 12))
})

t.test('where there is no operator’s listener, requests are not timed', async (t: Test) => {
  const home = await openMailHome(t)
  await home.call('GET', '/livez')
  t.strictSame(home.deps.meters.answers(), [])
})
