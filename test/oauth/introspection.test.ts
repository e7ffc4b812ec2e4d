import { decodeJwt } from 'jose'
import t, { type Test } from 'tap'
import { StoreUnavailable } from '../../src/store/store.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import { addClient, type ClientSecret, sendForm, tokenOf } from '../support/oauth.ts'
import { startRedis } from '../support/redis.ts'
import { type Command, makeWatched } from '../support/watched-store.ts'

// What a client is told of a token: all that it says while it is good, and of every other one the same.

const OWN = 'http://localhost:3000'
const OTHER = 'https://reports.example.org'
const INACTIVE = { active: false }

const watched = makeWatched()
const home = await openAdminHome(t, {}, { store: watched.around })
const redis = await startRedis()
t.teardown(redis.stop)
const onRedis = await openAdminHome(t, { REDIS_URL: redis.url })

const introspect = (client: ClientSecret, token: string, at: AdminHome = home, more = {}) =>
  sendForm(at, '/oauth/introspect', { token, ...more }, { client })
const refresh = (refresh_token: string, at: AdminHome = home) =>
  at.call('POST', '/v1/refresh', { body: { refresh_token } })

function onBoth(name: string, story: (t: Test, at: AdminHome) => Promise<void>): void {
  t.test(`${name}, on LMDB`, (t) => story(t, home))
  t.test(`${name}, on Redis`, (t) => story(t, onRedis))
}

onBoth('an access token of a person is active until it is revoked', async (t, at) => {
  const api = await addClient(at)
  const me = await at.newcomer()
  await at.admin('PUT', `/admin/v1/users/${me.user.id}/roles`, { body: { roles: ['editor'] } })
  const { access_token: token, refresh_token } = (await refresh(me.refresh_token, at)).body
  const answer = await introspect(api, token, at)
  const { gen, rtc, ...claims } = decodeJwt(token)
  t.match({ gen, rtc }, { gen: Number, rtc: 1 })
  t.equal(answer.status, 200)
  t.equal(answer.headers['cache-control'], 'no-store')
  t.strictSame(answer.body, { active: true, token_type: 'Bearer', ...claims })
  t.match(claims, { roles: ['editor'], sid: me.session_id, aud: OWN })
  await at.call('POST', '/v1/logout', { body: { refresh_token } })
  t.strictSame((await introspect(api, token, at)).body, INACTIVE)
})

onBoth('a token of a client is active for those of its audience, and for nobody else', async (t, at) => {
  const machine = await addClient(at, { scopes: ['a', 'b'], audiences: [OWN, OTHER] })
  const [api, reports, stranger] = [
    await addClient(at),
    await addClient(at, { audiences: [OTHER] }),
    await addClient(at, { audiences: ['http://localhost:30000', 'reports'] }),
  ]
  const [both, forReports] = [await tokenOf(at, machine), await tokenOf(at, machine, { resource: OTHER, scope: 'b' })]
  const { gen: _, ...claims } = decodeJwt(forReports)
  t.strictSame((await introspect(reports, forReports, at)).body, { active: true, token_type: 'Bearer', ...claims })
  t.match(claims, { sub: machine.client_id, client_id: machine.client_id, scope: 'b', aud: OTHER })
  for (const client of [api, reports, machine]) t.match((await introspect(client, both, at)).body, { active: true })
  t.strictSame((await introspect(api, forReports, at)).body, INACTIVE)
  for (const token of [both, forReports]) t.strictSame((await introspect(stranger, token, at)).body, INACTIVE)
  await at.admin('PUT', `/admin/v1/clients/${machine.client_id}/disabled`)
  t.strictSame((await introspect(api, both, at)).body, INACTIVE)
  t.strictSame((await introspect(reports, forReports, at)).body, INACTIVE)
})

onBoth(
  'a refresh token is active as long as a refresh would take it, and is not spent by the question',
  async (t, at) => {
    const api = await addClient(at)
    const me = await at.newcomer()
    const active = (await introspect(api, me.refresh_token, at)).body
    const issuer = { iss: OWN, aud: OWN, client_id: 'first-party' }
    t.strictSame(active, { active: true, token_type: 'refresh_token', ...issuer, sub: me.user.id, sid: me.session_id })
    const next = (await refresh(me.refresh_token, at)).body
    t.match((await introspect(api, me.refresh_token, at)).body, { active: true }, 'its answer may be lost')
    const last = (await refresh(next.refresh_token, at)).body
    at.clock.advance(11_000)
    t.strictSame((await introspect(api, me.refresh_token, at)).body, INACTIVE, 'a refresh would end the session')
    t.equal((await refresh(last.refresh_token, at)).status, 200, 'the question has not')
    await at.call('POST', '/v1/logout', { token: last.access_token })
    t.strictSame((await introspect(api, last.refresh_token, at)).body, INACTIVE)
    const stranger = await addClient(at, { audiences: [OTHER] })
    const you = await at.newcomer()
    t.strictSame((await introspect(stranger, you.refresh_token, at)).body, INACTIVE, 'for whom its tokens are not')
    t.strictSame((await introspect(stranger, you.access_token, at)).body, INACTIVE)
  },
)

t.test('whatever keeps a token from being active, the answer is the same', async (t) => {
  const api = await addClient(home)
  const me = await home.newcomer()
  const cookie = await home.call('POST', '/v1/login', {
    body: { email: me.email, password: me.password, transport: 'cookie' },
    headers: { 'sec-fetch-site': 'same-origin' },
  })
  const [inCookie = ''] = /(?<==)[^;]+/.exec(String(cookie.headers['set-cookie'])) ?? []
  const [header, payload, signature] = me.access_token.split('.')
  const claims = { ...decodeJwt(me.access_token), roles: ['admin'] }
  const forged = [
    '',
    'x',
    'a.b.c',
    `${header}.${payload}.${signature?.slice(0, -4)}AAAA`,
    `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`,
    `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${payload}.`,
    me.refresh_token.slice(0, -4) + 'AAAA',
    `${me.access_token} `,
    inCookie,
    api.client_secret,
    'é'.repeat(50),
  ]
  for (const token of forged.slice(1)) {
    const answer = await introspect(api, token, home, { token_type_hint: 'refresh_token' })
    t.match(
      { status: answer.status, body: JSON.stringify(answer.body) },
      { status: 200, body: '{"active":false}' },
      token,
    )
  }
  t.match(await introspect(api, ''), { status: 400, body: { error: 'invalid_request' } }, 'none at all is no question')
  home.clock.advance(320_000)
  t.strictSame((await introspect(api, me.access_token)).body, INACTIVE, 'expired')
})

t.test('what cannot be known is 503 at each step, never inactive', async (t) => {
  const api = await addClient(home)
  const me = await home.newcomer()
  const machine = await tokenOf(home, api)
  t.teardown(() => (watched.watch = null))
  const isOfClient = (command: Command) =>
    command.kind === 'getMany' && command.keys.some((key) => key.includes(':client:'))
  for (const token of [me.access_token, me.refresh_token, machine])
    for (const fails of [isOfClient, (command: Command) => !isOfClient(command), () => true]) {
      watched.watch = async (command, run) => (fails(command) ? Promise.reject(new StoreUnavailable('away')) : run())
      t.match(await introspect(api, token), {
        status: 503,
        headers: { 'retry-after': '1', 'content-type': /^application\/json/ },
        body: { error: 'temporarily_unavailable' },
      })
      watched.watch = null
      t.match((await introspect(api, token)).body, { active: true })
    }
})

t.test('nobody is told anything without being a client', async (t) => {
  const me = await home.newcomer()
  const asks = [{}, { headers: { authorization: `Bearer ${me.access_token}` } }]
  for (const options of asks) {
    const answer = await sendForm(home, '/oauth/introspect', { token: me.access_token }, options)
    t.match(answer, { status: 401, headers: { 'www-authenticate': 'Basic realm="latchkey"' } })
    t.strictSame(answer.body, { error: 'invalid_client' })
  }
})
