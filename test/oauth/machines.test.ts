import { decodeJwt, decodeProtectedHeader } from 'jose'
import t, { type Test } from 'tap'
import { StoreUnavailable } from '../../src/store/store.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import { addClient, type ClientSecret, type Parameters, sendForm, tokenOf } from '../support/oauth.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'
import { makeWatched } from '../support/watched-store.ts'

// A client that acts for itself: what its token says, where it lets the client in, and when it is dead.

const OWN = 'http://localhost:3000'
const OTHER = 'https://reports.example.org'
const WISH = { scopes: ['orders:read', 'orders:write'], audiences: [OWN, OTHER] }

const watched = makeWatched()
const home = await openAdminHome(t, { LIMIT_API: '1000000/1m' }, { store: watched.around })
const redis = await startRedis()
t.teardown(redis.stop)
const onRedis = await openAdminHome(t, { REDIS_URL: redis.url })

const ask = (client: ClientSecret | undefined, parameters: Parameters, at: AdminHome = home) =>
  sendForm(
    at,
    '/oauth/token',
    { grant_type: 'client_credentials', ...parameters },
    client === undefined ? {} : { client },
  )
const verify = (token: string, at: AdminHome = home, query = '') => at.call('GET', `/v1/verify${query}`, { token })

function onBoth(name: string, story: (t: Test, at: AdminHome) => Promise<void>): void {
  t.test(`${name}, on LMDB`, (t) => story(t, home))
  t.test(`${name}, on Redis`, (t) => story(t, onRedis))
}

t.test('the token says who it is, for whom and what it may do, and nothing of a session', async (t) => {
  const client = await addClient(home, WISH)
  const { status, headers, body } = await ask(client, {})
  t.equal(status, 200)
  t.match(headers, { 'cache-control': 'no-store', 'content-type': /^application\/json/ })
  const { access_token: token, ...rest } = body
  t.strictSame(Object.keys(rest).toSorted(), ['expires_in', 'scope', 'token_type'])
  t.match(rest, { token_type: 'Bearer', scope: 'orders:read orders:write' })
  t.ok(rest.expires_in > 280 && rest.expires_in <= 300)
  t.match(decodeProtectedHeader(token), { typ: 'at+jwt', alg: 'ES256' })
  const { iat, exp, jti, ...claims } = decodeJwt(token)
  t.match({ iat, exp, jti }, { iat: Number, exp: Number, jti: /^[\w-]{22}$/ })
  const id = client.client_id
  t.strictSame(claims, { iss: OWN, aud: [OWN, OTHER], sub: id, client_id: id, gen: 0, scope: rest.scope })
  t.match(home.events('client.token_issued').at(-1), { client_id: id, secret_id: /^[\w-]{22}$/ })
  t.notMatch(JSON.stringify(home.lines), client.client_secret)
})

t.test('a client gets less than it may have if it asks for less, and never more', async (t) => {
  const client = await addClient(home, WISH)
  const granted: [Parameters, { scope?: string; aud: string | string[] }][] = [
    [{ scope: 'orders:read' }, { scope: 'orders:read', aud: [OWN, OTHER] }],
    [{ scope: 'orders:write orders:read orders:write' }, { scope: 'orders:write orders:read', aud: [OWN, OTHER] }],
    [{ scope: '' }, { scope: 'orders:read orders:write', aud: [OWN, OTHER] }],
    [{ resource: OTHER }, { aud: OTHER }],
    [{ resource: [OTHER, OWN] }, { aud: [OTHER, OWN] }],
    [{ resource: [OTHER, OTHER] }, { aud: OTHER }],
    [{ resource: '' }, { aud: [OWN, OTHER] }],
    [{ client_id: client.client_id }, { aud: [OWN, OTHER] }],
  ]
  for (const [parameters, claims] of granted)
    t.match(decodeJwt(await tokenOf(home, client, parameters)), claims, JSON.stringify(parameters))
  const refused: [Parameters, string][] = [
    [{ scope: 'admin' }, 'invalid_scope'],
    [{ scope: 'orders:read admin' }, 'invalid_scope'],
    [{ scope: 'orders:read  orders:write' }, 'invalid_scope'],
    [{ scope: 'orders' }, 'invalid_scope'],
    [{ scope: 'ORDERS:READ' }, 'invalid_scope'],
    [{ resource: 'https://payments.example.org' }, 'invalid_target'],
    [{ resource: [OTHER, 'https://payments.example.org'] }, 'invalid_target'],
    [{ resource: `${OTHER}/` }, 'invalid_target'],
    [{ resource: 'reports' }, 'invalid_target'],
    [{ client_id: 'client.another' }, 'invalid_request'],
  ]
  for (const [parameters, error] of refused) {
    const answer = await ask(client, parameters)
    t.match(answer, { status: 400, body: { error } }, JSON.stringify(parameters))
    t.notOk('access_token' in answer.body)
  }
})

t.test('a client without scopes gets a token that says none; with one audience that is a text', async (t) => {
  const client = await addClient(home)
  const answer = await ask(client, {})
  t.notOk('scope' in answer.body)
  const claims = decodeJwt(answer.body.access_token)
  t.notOk('scope' in claims)
  t.equal(claims.aud, OWN)
})

t.test('the largest token that a client can have is still one that is taken', async (t) => {
  const scopes = Array.from({ length: 50 }, (_, place) => `${place}`.padEnd(64, 's'))
  const audiences = [OWN, ...Array.from({ length: 7 }, (_, place) => `https://${place}.example.org/`.padEnd(200, 'a'))]
  t.equal((await verify(await tokenOf(home, await addClient(home, { scopes, audiences })))).status, 204)
})

t.test('verify lets a client in by a token for its audience, with every header, and meets no demand', async (t) => {
  const client = await addClient(home, WISH)
  const token = await tokenOf(home, client)
  const answer = await verify(token)
  t.equal(answer.status, 204)
  const said = Object.entries(answer.headers).filter(([name]) => name.startsWith('x-auth-'))
  const empty = { 'x-auth-session': '', 'x-auth-roles': '', 'x-auth-acr': '', 'x-auth-time': '' }
  t.strictSame(Object.fromEntries(said), { 'x-auth-subject': client.client_id, ...empty })
  for (const query of ['?role=editor', '?acr=aal1', '?max_age=999999999'])
    t.match(await verify(token, home, query), { status: 403, body: { code: 'insufficient' } }, query)
  t.equal((await verify(await tokenOf(home, client, { resource: OWN }))).status, 204)
  const elsewhere = await tokenOf(home, client, { resource: OTHER })
  t.match(await verify(elsewhere), { status: 401, body: { code: 'token_invalid' } }, 'for another audience')
  t.equal((await home.call('GET', '/v1/me', { token: elsewhere })).status, 401)
})

t.test('no route of a person takes the token of a client', async (t) => {
  const token = await tokenOf(home, await addClient(home))
  const expired = await tokenOf(home, await addClient(home))
  const guarded = home.app.routes.filter(({ schema }) => {
    const { security = [] } = (schema ?? {}) as { security?: readonly object[] }
    return security.some((way) => 'bearer' in way)
  })
  t.ok(guarded.length > 10)
  for (const { method, url } of guarded.filter(({ url }) => url !== '/v1/verify')) {
    const path = url.replace(':id', 'A'.repeat(22))
    t.match(
      await home.call(method, path, { token }),
      { status: 403, body: { code: 'insufficient' } },
      `${method} ${url}`,
    )
  }
  for (const scope of ['session', 'others', 'all'])
    t.equal((await home.call('POST', '/v1/logout', { token, body: { scope } })).status, 403, scope)
  t.equal((await verify(token)).status, 204, 'and nothing has happened to it')
  home.clock.advance(320_000)
  t.match(await home.call('GET', '/v1/me', { token: expired }), { status: 401, body: { code: 'token_expired' } })
  t.match(await home.call('POST', '/v1/logout', { token: expired }), { status: 401, body: { code: 'token_expired' } })
})

t.test('a person gets no token of a client, by whatever they have', async (t) => {
  const me = await home.newcomer()
  const person = { client_id: me.user.id, client_secret: me.password }
  t.match(await ask(person, {}), { status: 401, body: { error: 'invalid_client' } })
  const byToken = { headers: { authorization: `Bearer ${me.access_token}` } }
  for (const parameters of [{ grant_type: 'client_credentials' }, { grant_type: 'password', username: me.email }])
    t.match(await sendForm(home, '/oauth/token', parameters, byToken), { status: 401 })
  t.match(await ask(undefined, { client_id: 'first-party', client_secret: '' }), { status: 401 })
})

const KILLS: Record<string, (at: AdminHome, id: string) => Promise<unknown>> = {
  disabled: (at, id) => at.admin('PUT', `/admin/v1/clients/${id}/disabled`),
  removed: (at, id) => at.admin('DELETE', `/admin/v1/clients/${id}`),
}
for (const [what, kill] of Object.entries(KILLS)) {
  onBoth(`a client that is ${what} between two requests is let in by neither token nor secret`, async (t, at) => {
    const client = await addClient(at, WISH)
    const other = await addClient(at, WISH)
    const [token, others] = [await tokenOf(at, client), await tokenOf(at, other)]
    t.equal((await verify(token, at)).status, 204)
    await kill(at, client.client_id)
    t.match(await verify(token, at), { status: 401, body: { code: 'token_revoked' } })
    t.match(await ask(client, {}, at), { status: 401, body: { error: 'invalid_client' } })
    for (const path of ['/oauth/introspect', '/oauth/revoke'])
      t.equal((await sendForm(at, path, { token: others }, { client })).status, 401, path)
    t.equal((await verify(others, at)).status, 204, 'nobody else is')
  })
}

onBoth('an enabled client gets tokens again, and those of before stay dead', async (t, at) => {
  const client = await addClient(at)
  const token = await tokenOf(at, client)
  const path = `/admin/v1/clients/${client.client_id}/disabled`
  await at.admin('PUT', path)
  await at.admin('DELETE', path)
  t.equal((await verify(token, at)).status, 401)
  t.equal((await verify(await tokenOf(at, client), at)).status, 204)
})

t.test('a token that is asked for while its client is disabled is dead', async (t) => {
  const client = await addClient(home)
  let disabling: Promise<unknown> | null = null
  watched.watch = async (command, run) => {
    const result = await run()
    if (disabling !== null || command.kind !== 'getMany' || !command.keys.some((key) => key.includes(client.client_id)))
      return result
    disabling = home.admin('PUT', `/admin/v1/clients/${client.client_id}/disabled`)
    await disabling
    return result
  }
  t.teardown(() => (watched.watch = null))
  const answer = await ask(client, {})
  t.equal(answer.status, 200, 'the secret was right when it was read')
  t.equal((await verify(answer.body.access_token)).status, 401)
})

t.test('a secret that is no longer kept gets no token; fifty at once of one that is all do', async (t) => {
  const client = await addClient(home)
  const path = `/admin/v1/clients/${client.client_id}/secret`
  const next = (await home.admin('POST', path)).body
  for (const each of [client, next]) t.equal((await ask(each, {})).status, 200)
  await home.admin('POST', path)
  t.equal((await ask(client, {})).status, 401)
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask(next, {})))
  t.ok(answers.every(({ status }) => status === 200))
  t.equal(new Set(answers.map(({ body }) => decodeJwt(body.access_token).jti)).size, 50)
})

t.test('while the store is away it is 503 at each step, and the repeat does it', async (t) => {
  const client = await addClient(home)
  const token = await tokenOf(home, client)
  watched.watch = async () => Promise.reject(new StoreUnavailable('away'))
  t.teardown(() => (watched.watch = null))
  const answer = await ask(client, {})
  t.match(answer, { status: 503, headers: { 'retry-after': '1' }, body: { error: 'temporarily_unavailable' } })
  t.match(await ask({ ...client, client_secret: 'wrong' }, {}), { status: 503 }, 'nobody is said to be wrong')
  t.match(await verify(token), { status: 503, body: { code: 'store_unavailable' } })
  watched.watch = null
  t.equal((await ask(client, {})).status, 200)
  t.equal((await verify(token)).status, 204)
})

t.test('tokens of before everything was revoked are dead, and the client gets others', async (t) => {
  const at = await openAdminHome(t, { REDIS_URL: redis.url })
  const client = await addClient(at)
  const token = await tokenOf(at, client)
  t.equal((await verify(token, at)).status, 204)
  await onRedis.deps.keyring.revokeEverything()
  const first = await ask(client, {}, at)
  const isGood = async () => (await verify(first.body.access_token, onRedis)).status === 204
  t.ok(first.status === 503 || (await isGood()), 'an instance that has not heard of it makes none by its old keys')
  const next = await eventually(() => tokenOf(at, client), { within: 10_000 })
  for (const each of [at, onRedis]) {
    await eventually(async () => (await verify(token, each)).status === 401, { within: 10_000 })
    t.equal((await verify(next, each)).status, 204)
  }
})
