import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, exportJWK, importPKCS8, jwtVerify, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { ATTACKS, attacker, es256, forge, type Json } from '../support/forgeries.ts'
import { type Answer, type Home, type Newcomer, openHome } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'
import { startService } from '../support/service.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const DAY = 86_400 * SECOND
const PASSWORD = 'seven red bicycles in the rain'
const ISSUER = 'http://localhost:3000'

const home = await openHome()
t.teardown(home.close)

const verify = (token: string, at = home) => at.call('GET', '/v1/verify', { token })
const authorized = (authorization: string) => home.call('GET', '/v1/verify', { headers: { authorization } })
const refresh = (refresh_token: string, at = home) => at.call('POST', '/v1/refresh', { body: { refresh_token } })
const logout = (refresh_token: string, at = home) => at.call('POST', '/v1/logout', { body: { refresh_token } })
const login = async ({ email }: Newcomer, at = home): Promise<Newcomer> =>
  (await at.call('POST', '/v1/login', { body: { email, password: PASSWORD } })).body

function isInvalid(t: Test, answer: Answer, what: string) {
  const challenge = { 'www-authenticate': 'Bearer realm="latchkey", error="invalid_token"' }
  t.match(answer, { status: 401, headers: challenge, body: { code: 'token_invalid', status: 401 } }, what)
}

// ---- Forgery: a token put together by hand

/** The key that signed this token, private half included: what no attacker has. */
function ownKey(token: string, at = home) {
  const key = at.deps.keyring.find(decodeProtectedHeader(token).kid)
  if (key === undefined) throw new Error('not a key of ours')
  return key
}

const me = await home.newcomer()
const genuine = (header: Json = {}, claims: Json = {}) =>
  forge(me.access_token, header, claims, es256(ownKey(me.access_token).privatePem))
t.test('a token made by hand with our own key is accepted: the forgeries below differ in one thing only', async (t) => {
  t.equal((await verify(genuine())).status, 204)
  t.equal((await verify(genuine({}, { jti: 'another' }))).status, 204)
  const key = await importPKCS8(ownKey(me.access_token).privatePem, 'ES256')
  const header = decodeProtectedHeader(me.access_token) as { alg: string }
  t.equal(
    (await verify(await new SignJWT(decodeJwt(me.access_token)).setProtectedHeader(header).sign(key))).status,
    204,
  )
})

/** Publishes the attacker's key, and counts who asks for it. */
async function listenAsAttacker(t: Test) {
  const jwk = { ...(await exportJWK(attacker.publicKey)), kid: 'evil', alg: 'ES256', use: 'sig' }
  const heard: unknown[] = []
  const listener = createServer((request, response) => {
    heard.push(request.url)
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }))
  })
  await once(listener.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => listener.close())
  return { url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}/jwks.json`, heard }
}

t.test('every forgery is refused, and nothing is fetched for it', async (t) => {
  const { url, heard } = await listenAsAttacker(t)
  const { kid, privatePem, publicPem } = ownKey(me.access_token)
  const published = (await home.call('GET', '/.well-known/jwks.json')).body.keys.find((key: Json) => key['kid'] === kid)
  const [token, neighbours] = [me.access_token, (await home.newcomer()).access_token]
  for (const [attack, forgeries] of Object.entries(ATTACKS)) {
    t.test(attack, async (t) => {
      for (const [what, text] of forgeries({ token, neighbours, privatePem, publicPem, published, url }))
        isInvalid(t, await authorized(`Bearer ${text}`), what)
    })
  }
  t.test('and the token that they are made of lets in as before', async (t) => {
    t.equal((await verify(token)).status, 204)
    t.strictSame(heard, [])
  })
})

t.test('typ at+jwt is an access token, with application/ before it, too', async (t) => {
  for (const typ of ['at+jwt', 'application/at+jwt']) t.equal((await verify(genuine({ typ }))).status, 204, typ)
})

t.test('every claim must be there and of its type', async (t) => {
  const claims = decodeJwt(me.access_token)
  for (const name of ['iss', 'aud', 'sub', 'client_id', 'iat', 'exp', 'jti', 'sid', 'gen', 'rtc', 'auth_time', 'amr']) {
    t.ok(name in claims, name)
    isInvalid(t, await verify(genuine({}, { [name]: undefined })), `without ${name}`)
    isInvalid(t, await verify(genuine({}, { [name]: null })), `${name} null`)
    isInvalid(t, await verify(genuine({}, { [name]: { is: claims[name] } })), `${name} an object`)
    if (typeof claims[name] === 'number')
      isInvalid(t, await verify(genuine({}, { [name]: `${claims[name]}` })), `${name} a string`)
    else isInvalid(t, await verify(genuine({}, { [name]: 1 })), `${name} a number`)
  }
  for (const exp of [`${claims.exp}`, '', true, [claims.exp], 1e300, -1.5, (claims.exp ?? 0) + 0.5]) {
    t.equal((await verify(genuine({}, { exp }))).status, 401, `exp ${JSON.stringify(exp)}`)
  }
})

t.test("another issuer's, audience's or client's token is none of ours", async (t) => {
  const wrong: Json[] = [
    { iss: 'https://evil.example' },
    { iss: `${ISSUER}/` },
    { iss: ISSUER.toUpperCase() },
    { iss: [ISSUER] },
    { aud: 'https://other.example' },
    { aud: `${ISSUER}.evil.example` },
    { aud: ['https://other.example'] },
    { aud: [] },
    { client_id: 'third-party' },
  ]
  for (const claims of wrong) isInvalid(t, await verify(genuine({}, claims)), JSON.stringify(claims))

  const other = await openHome({ AUDIENCE: 'https://api.example', CLIENT_ID: 'mobile' })
  t.teardown(other.close)
  const you = await other.newcomer()
  t.match(decodeJwt(you.access_token), { iss: ISSUER, aud: 'https://api.example', client_id: 'mobile' })
  isInvalid(t, await verify(you.access_token), 'of another installation')
  isInvalid(t, await verify(me.access_token, other), 'and the reverse')
})

t.test('nbf is honoured, and an iat in the future is accepted under our own signature only', async (t) => {
  const now = Math.floor(home.clock.now / 1000)
  t.equal((await verify(genuine({}, { nbf: now + 3600 }))).status, 401)
  const future = { iat: now + 3600, exp: now + 7200 }
  t.equal((await verify(genuine({}, future))).status, 204, 'the clock of another instance may be ahead')
})

t.test('a bad signature is told, and not that the token is revoked', async (t) => {
  const dead = await home.newcomer()
  await logout(dead.refresh_token)
  isInvalid(t, await verify(dead.access_token.replace(/\.[^.]{4}([^.]+)$/, '.AAAA$1')), 'invalid, not revoked')
})

t.test('the scheme is Bearer, in any case of its letters', async (t) => {
  const token = me.access_token
  isInvalid(t, await authorized('Bearer'), 'nothing after the scheme')
  t.equal((await authorized(`bearer ${token}`)).status, 204)
  t.equal((await authorized(`BEARER ${token}`)).status, 204)
  for (const scheme of ['Basic', 'Bearerx', 'Token', 'DPoP', '']) {
    t.match(await authorized(`${scheme} ${token}`.trim()), { status: 401, body: { code: 'no_token' } }, scheme)
  }
})

t.test('a revoked token is refused under all 64 last characters, hot or cold', async (t) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (const JWT_ALG of ['ES256', 'EdDSA', 'RS256']) {
    const at = await openHome({ JWT_ALG })
    t.teardown(at.close)
    const you = await at.newcomer()
    const spellings = Array.from(alphabet, (last) => you.access_token.slice(0, -1) + last)
    const hot = await Promise.all(spellings.slice(0, 32).map((spelling) => verify(spelling, at)))
    for (const { status } of hot) t.ok(status === 204 || status === 401)
    t.equal((await verify(you.access_token, at)).status, 204)
    await logout(you.refresh_token, at)
    const statuses = await Promise.all(spellings.map(async (spelling) => (await verify(spelling, at)).status))
    t.strictSame(new Set(statuses), new Set([401]), JWT_ALG)
  }
})

t.test('a token of one kind is refused wherever another is asked for', async (t) => {
  const { headers, body } = await home.call('POST', '/v1/login', {
    body: { email: me.email, password: PASSWORD, transport: 'cookie' },
    headers: { 'sec-fetch-site': 'same-origin' },
  })
  const cookie = /=([\w-]+);/.exec(String(headers['set-cookie']))?.[1] ?? ''
  const viaCookie = (token: string) =>
    home.call('POST', '/v1/refresh', {
      headers: { cookie: `__Host-refresh_token=${token}`, 'sec-fetch-site': 'same-origin' },
    })
  const kinds = { access: body.access_token, body: (await login(me)).refresh_token, cookie, session: body.session_id }
  const uses = { access: verify, body: refresh, cookie: viaCookie }
  for (const [use, present] of Object.entries(uses)) {
    for (const [kind, token] of Object.entries(kinds)) {
      const answer = await present(token)
      if (kind === use) t.ok(answer.status < 300, `${kind} as ${use}`)
      else isInvalid(t, answer, `${kind} as ${use}`)
    }
  }
  for (const path of ['/v1/me', '/v1/sessions', '/v1/session/data', '/v1/me/preferences']) {
    isInvalid(t, await home.call('GET', path, { token: kinds.body }), path)
  }
})

// ---- Where a token may stand

t.test('a bearer token counts in the Authorization header only', async (t) => {
  const token = me.access_token
  const attempts: Answer[] = [
    await home.call('GET', `/v1/verify?access_token=${token}`),
    await home.call('GET', `/v1/me?token=${token}&authorization=Bearer%20${token}`),
    await home.call('GET', '/v1/me', { headers: { cookie: `access_token=${token}; authorization=Bearer ${token}` } }),
    await home.call('GET', '/v1/me', {
      headers: { 'x-access-token': token, 'proxy-authorization': `Bearer ${token}` },
    }),
    await home.call('POST', '/v1/password', {
      body: { access_token: token, current_password: PASSWORD, new_password: 'x' },
    }),
    await home.call('PATCH', '/v1/session/data', { body: { access_token: token } }),
    await home.call('DELETE', '/v1/me', {
      body: `access_token=${token}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }),
  ]
  for (const answer of attempts) t.match(answer, { status: 401, body: { code: 'no_token' } })
  t.equal(
    (await home.call('GET', '/v1/me?access_token=garbage', { token })).status,
    200,
    'and the query spoils nothing',
  )
})

t.test('every 401 carries a Bearer challenge, with an error only where a token was sent', async (t) => {
  const revoked = await home.newcomer()
  await logout(revoked.refresh_token)
  const expired = genuine({}, { exp: Math.floor(home.clock.now / 1000) - 10 })
  const cases = [
    [undefined, 'no_token', 'Bearer realm="latchkey"'],
    ['Basic YTpi', 'no_token', 'Bearer realm="latchkey"'],
    ['Bearer garbage', 'token_invalid', 'Bearer realm="latchkey", error="invalid_token"'],
    [`Bearer ${expired}`, 'token_expired', 'Bearer realm="latchkey", error="invalid_token"'],
    [`Bearer ${revoked.access_token}`, 'token_revoked', 'Bearer realm="latchkey", error="invalid_token"'],
  ] as const
  const guarded = [
    ['GET', '/v1/verify'],
    ['GET', '/v1/me'],
    ['DELETE', '/v1/me'],
    ['POST', '/v1/password'],
    ['GET', '/v1/sessions'],
    ['DELETE', '/v1/sessions/x'],
    ['GET', '/v1/session/data'],
    ['PATCH', '/v1/session/data'],
    ['GET', '/v1/me/preferences'],
    ['PATCH', '/v1/me/preferences'],
  ] as const
  for (const [method, path] of guarded) {
    for (const [authorization, code, challenge] of cases) {
      const answer = await home.call(method, path, { headers: authorization === undefined ? {} : { authorization } })
      t.equal(answer.status, 401, `${method} ${path} ${code}`)
      t.equal(answer.body.code, code)
      t.equal(answer.headers['www-authenticate'], challenge)
    }
  }
})

t.test('two Authorization headers are refused, never the first one taken', async (t) => {
  const DATA_DIR = await mkdtemp(join(tmpdir(), 'latchkey-two-'))
  t.teardown(() => rm(DATA_DIR, { recursive: true }))
  const service = await startService({ DATA_DIR })
  t.teardown(service.kill)
  const you = await service.call('POST', '/v1/register', { body: { email: 'two@example.org', password: PASSWORD } })
  const good = `Bearer ${you.body.access_token}`

  async function send(...values: string[]): Promise<string> {
    const socket = connect(service.port, '127.0.0.1')
    const lines = ['GET /v1/verify HTTP/1.1', 'Host: x', 'Connection: close', ...values]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    return text
  }
  t.match(await send(`Authorization: ${good}`), /^HTTP\/1\.1 204 /)
  t.match(await send(`AUTHORIZATION:${good}  `), /^HTTP\/1\.1 204 /)
  const pairs = [
    [good, good],
    [good, 'Bearer garbage'],
    ['Bearer garbage', good],
    [good, 'Basic YTpi'],
    ['Basic YTpi', good],
    [good, ''],
    ['', good],
  ]
  for (const [first, second] of pairs) {
    const answer = await send(`Authorization: ${first}`, `authorization: ${second}`)
    t.match(answer, /^HTTP\/1\.1 40[01] /, `${first?.slice(0, 9)} and ${second?.slice(0, 9)}`)
  }
  for (const odd of [`${good}, ${good}`, `${good}\t`, `${good}\u000b`, `Bearer\t${you.body.access_token}`]) {
    const answer = await send(`Authorization: ${odd}`)
    if (odd.endsWith('\t')) t.match(answer, /^HTTP\/1\.1 204 /, 'white space at the end belongs to the framing')
    else t.match(answer, /^HTTP\/1\.1 40[01] /, JSON.stringify(odd.slice(-9)))
  }
  t.match(await send(`Authorization: Bearer`, ` ${you.body.access_token}`), /^HTTP\/1\.1 40[01] /, 'a folded line')
})

t.test('verify answers gateways with the subject and the session, and sets no cookie', async (t) => {
  const { headers, body } = await home.call('POST', '/v1/login', {
    body: { email: me.email, password: PASSWORD, transport: 'cookie' },
    headers: { 'sec-fetch-site': 'same-origin' },
  })
  const cookie = String(headers['set-cookie']).split(';')[0] ?? ''
  const answer = await home.call('GET', '/v1/verify', { token: body.access_token, headers: { cookie } })
  t.equal(answer.status, 204)
  t.equal(answer.body, '')
  t.equal(answer.headers['x-auth-subject'], me.user.id)
  t.equal(answer.headers['x-auth-session'], body.session_id)
  t.equal(answer.headers['cache-control'], 'no-store')
  t.notOk(answer.headers['set-cookie'])
  const refused = await home.call('GET', '/v1/verify', { headers: { cookie } })
  t.equal(refused.status, 401, 'a refresh cookie is no access token')
  for (const name of ['set-cookie', 'x-auth-subject', 'x-auth-session']) t.notOk(refused.headers[name])
})

// ---- Time and revocation

t.test('a token lives until exp and ten seconds of leeway, and not a millisecond longer', async (t) => {
  const at = await openHome()
  t.teardown(at.close)
  const [hot, cold] = [await at.newcomer(), await at.newcomer()]
  t.equal((await verify(hot.access_token, at)).status, 204)
  for (const { access_token } of [hot, cold]) {
    const endsAt = (decodeJwt(access_token).exp ?? 0) * 1000 + 10_000
    at.clock.now = endsAt - 1
    t.equal((await verify(access_token, at)).status, 204)
    at.clock.now = endsAt
    t.match(await verify(access_token, at), { status: 401, body: { code: 'token_expired' } })
  }
})

t.test('a hot token that is revoked is refused at the very next request, on every instance', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const homes = await Promise.all([openHome({ REDIS_URL: redis.url }), openHome({ REDIS_URL: redis.url })])
  const [here, there] = homes
  for (const each of homes) t.teardown(each.close)
  const first = await here.newcomer()
  const ends: [string, (you: Newcomer) => Promise<Answer>][] = [
    ['logout', (you) => logout(you.refresh_token, here)],
    ['logout by access token', (you) => here.call('POST', '/v1/logout', { token: you.access_token, body: {} })],
    [
      'logout everywhere',
      (you) => here.call('POST', '/v1/logout', { token: you.access_token, body: { scope: 'all' } }),
    ],
    ['revocation', (you) => here.call('DELETE', `/v1/sessions/${you.session_id}`, { token: you.access_token })],
    [
      'password change',
      (you) =>
        here.call('POST', '/v1/password', {
          token: you.access_token,
          body: { current_password: PASSWORD, new_password: 'quite another password' },
        }),
    ],
    ['removal', (you) => here.call('DELETE', '/v1/me', { token: you.access_token, body: { password: PASSWORD } })],
  ]
  for (const [name, end] of ends) {
    const you = name.startsWith('logout') ? await login(first, here) : await here.newcomer()
    for (const each of homes) for (let i = 0; i < 3; i += 1) t.equal((await verify(you.access_token, each)).status, 204)
    t.ok((await end(you)).status < 300, name)
    for (const each of [there, here]) {
      t.match(await verify(you.access_token, each), { status: 401, body: { code: 'token_revoked' } }, name)
      t.match(await each.call('GET', '/v1/me', { token: you.access_token }), {
        status: 401,
        body: { code: 'token_revoked' },
      })
    }
  }
})

const revokeAt = (at: Home, token: string) =>
  at.call('POST', '/oauth/revoke', {
    body: `token=${token}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })

t.test('one access token can be denied by its jti, and its session goes on', async (t) => {
  const you = await home.newcomer()
  const second = (await refresh(you.refresh_token)).body
  await verify(you.access_token)
  await revokeAt(home, you.access_token)
  t.match(await verify(you.access_token), { status: 401, body: { code: 'token_revoked' } })
  t.equal((await verify(second.access_token)).status, 204)
  t.equal((await refresh(second.refresh_token)).status, 200)
})

t.test('a denial outlives the token and its leeway: revoked a second before exp', async (t) => {
  const at = await openHome()
  t.teardown(at.close)
  const out = (you: Newcomer) => logout(you.refresh_token, at)
  const byId = (you: Newcomer) => revokeAt(at, you.access_token)
  const everywhere = (you: Newcomer) =>
    at.call('POST', '/v1/logout', { body: { refresh_token: you.refresh_token, scope: 'all' } })
  for (const revoke of [out, byId, everywhere]) {
    const [you, control] = [await at.newcomer(), await at.newcomer()]
    const expires = (token: string) => (decodeJwt(token).exp ?? 0) * 1000
    at.clock.now = expires(you.access_token) - SECOND
    await revoke(you)
    at.clock.now = expires(you.access_token) + 10 * SECOND - 1
    t.match(await verify(you.access_token, at), { status: 401, body: { code: 'token_revoked' } })
    at.clock.now = expires(control.access_token) + 10 * SECOND - 1
    t.equal((await verify(control.access_token, at)).status, 204)
  }
})

t.test('a token whose generation is below the user, of a session that is not, is dead', async (t) => {
  const you = await home.newcomer()
  const body = { current_password: PASSWORD, new_password: 'quite another password' }
  const changed = (await home.call('POST', '/v1/password', { token: you.access_token, body })).body
  const claims = decodeJwt(changed.access_token)
  t.ok((claims['gen'] as number) > 0)
  const older = forge(changed.access_token, {}, { gen: 0, jti: 'x' }, es256(ownKey(changed.access_token).privatePem))
  t.match(await verify(older), { status: 401, body: { code: 'token_revoked' } })
  t.equal((await verify(changed.access_token)).status, 204)
})

// ---- What is in a token

t.test('a token says what is documented and nothing else, nothing personal above all', async (t) => {
  const began = Math.floor(home.clock.now / 1000)
  const you = await home.newcomer()
  home.clock.advance(7 * MINUTE)
  const next = (await refresh(you.refresh_token)).body
  const names = ['acr', 'amr', 'aud', 'auth_time', 'client_id', 'exp', 'gen', 'iat', 'iss', 'jti', 'rtc', 'sid', 'sub']
  for (const token of [you.access_token, next.access_token]) {
    t.strictSame(Object.keys(decodeJwt(token)).toSorted(), names)
    t.strictSame(Object.keys(decodeProtectedHeader(token)).toSorted(), ['alg', 'kid', 'typ'])
    t.match(decodeProtectedHeader(token), { alg: 'ES256', typ: 'at+jwt', kid: /^[\w-]+$/ })
    t.notMatch(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(), /newcomer|example\.org|\$argon2/)
  }
  const common = {
    iss: ISSUER,
    aud: ISSUER,
    client_id: 'first-party',
    sub: you.user.id,
    sid: you.session_id,
    gen: 0,
    auth_time: began,
    amr: ['pwd'],
  }
  t.match(decodeJwt(you.access_token), { ...common, rtc: 0, iat: began })
  t.match(decodeJwt(next.access_token), { ...common, rtc: 1, iat: began + 420 })
  t.not(decodeJwt(you.access_token).jti, decodeJwt(next.access_token).jti)
  for (const part of Object.values(common)) t.notMatch(String(part), you.email)
})

t.test('a token lives 5 minutes less 0 to 5 %, so that a fleet does not refresh in step', async (t) => {
  const you = await home.newcomer()
  const answers = await Promise.all(Array.from({ length: 100 }, () => refresh(you.refresh_token)))
  const lives = answers.map(({ body }) => {
    const { exp = 0, iat = 0 } = decodeJwt(body.access_token)
    t.equal(body.expires_in, exp - iat)
    return body.expires_in as number
  })
  t.ok(Math.min(...lives) >= 285 && Math.max(...lives) <= 300, `${Math.min(...lives)} to ${Math.max(...lives)}`)
  t.ok(new Set(lives).size >= 5, 'and they differ')
  t.ok(Math.max(...lives) - Math.min(...lives) >= 8)
})

// ---- Keys

const keySet = async (at: Home) => (await at.call('GET', '/.well-known/jwks.json')).body
const judge = (token: string, keys: any, at: Home, alg = 'ES256') =>
  jwtVerify(token, createLocalJWKSet(keys), {
    issuer: ISSUER,
    audience: ISSUER,
    typ: 'at+jwt',
    algorithms: [alg],
    requiredClaims: ['sub', 'client_id', 'iat', 'exp', 'jti'],
    currentDate: new Date(at.clock.now),
  })

t.test('the JWKS shows public members only, is cacheable, and a library verifies by it', async (t) => {
  const members = { ES256: ['crv', 'x', 'y'], EdDSA: ['crv', 'x'], RS256: ['e', 'n'] }
  for (const [alg, own] of Object.entries(members)) {
    const at = await openHome({ JWT_ALG: alg })
    t.teardown(at.close)
    const answer = await at.call('GET', '/.well-known/jwks.json')
    t.equal(answer.status, 200)
    t.match(answer.headers, {
      'content-type': /^application\/(jwk-set\+)?json/,
      'cache-control': /^public, max-age=[1-9]\d*$/,
    })
    t.ok(answer.body.keys.length >= 2, 'the next key is there before it signs')
    t.equal(new Set(answer.body.keys.map(({ kid }: Json) => kid)).size, answer.body.keys.length)
    for (const key of answer.body.keys) {
      t.strictSame(Object.keys(key).toSorted(), ['alg', 'kid', 'kty', 'use', ...own].toSorted())
      t.match(key, { alg, use: 'sig' })
      if (alg === 'RS256') t.ok(Buffer.from(key.n, 'base64url').length >= 256)
    }
    const you = await at.newcomer()
    const { payload } = await judge(you.access_token, answer.body, at, alg)
    t.equal(payload.sub, you.user.id)
    t.equal((await verify(you.access_token, at)).status, 204)
    const others = {
      keys: answer.body.keys.filter(({ kid }: Json) => kid !== decodeProtectedHeader(you.access_token).kid),
    }
    await t.rejects(judge(you.access_token, others, at, alg))
  }
})

t.test('keys rotate under use: every token verifies by a JWKS fetched before, none is refused early', async (t) => {
  const at = await openHome()
  t.teardown(at.close)
  const you = await at.newcomer({ remember: true })
  let [token, keys] = [you.refresh_token, await keySet(at)]
  const kids = new Set<string>()
  for (let day = 0; day < 85; day += 5) {
    at.clock.advance(5 * DAY)
    await at.deps.keyring.reload()
    const answer = await refresh(token, at)
    t.equal(answer.status, 200)
    token = answer.body.refresh_token
    await judge(answer.body.access_token, keys, at)
    t.equal((await verify(answer.body.access_token, at)).status, 204)
    kids.add(decodeProtectedHeader(answer.body.access_token).kid as string)
    keys = await keySet(at)
    t.ok(keys.keys.length <= 3, 'retired keys go')
  }
  t.equal(kids.size, 3, 'each signs for 30 days')
})

t.test('a token from just before a rotation lives on, and its key leaves the JWKS when it is dead', async (t) => {
  const at = await openHome()
  t.teardown(at.close)
  const began = at.clock.now
  const you = await at.newcomer({ remember: true })
  const one = (await refresh(you.refresh_token, at)).body
  at.clock.now = began + 13 * DAY
  const two = (await refresh(one.refresh_token, at)).body
  at.clock.now = began + 26 * DAY
  const three = (await refresh(two.refresh_token, at)).body
  at.clock.now = began + 30 * DAY - 2 * SECOND
  await at.deps.keyring.reload()
  const last = (await refresh(three.refresh_token, at)).body
  at.clock.advance(2 * MINUTE)
  await at.deps.keyring.reload()
  const first = (await refresh(last.refresh_token, at)).body
  const [oldKid, newKid] = [last, first].map(({ access_token }) => decodeProtectedHeader(access_token).kid)
  t.not(oldKid, newKid)
  for (const { access_token } of [last, first]) t.equal((await verify(access_token, at)).status, 204)
  const has = async (kid: unknown) => (await keySet(at)).keys.some((key: Json) => key['kid'] === kid)
  t.ok(await has(oldKid))
  const old = ownKey(last.access_token, at)
  at.clock.advance(10 * MINUTE)
  await at.deps.keyring.reload()
  t.notOk(await has(oldKid))
  t.ok(await has(newKid))
  const now = Math.floor(at.clock.now / 1000)
  const stale = forge(last.access_token, {}, { exp: now + 300, iat: now }, es256(old.privatePem))
  isInvalid(t, await verify(stale, at), 'a retired key signs nothing any more')
})

t.test('keys handed over by command: the other instance accepts the new tokens at once', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const homes = await Promise.all([openHome({ REDIS_URL: redis.url }), openHome({ REDIS_URL: redis.url })])
  const [here, there] = homes
  for (const each of homes) t.teardown(each.close)
  const before = await here.newcomer()
  const known = await keySet(there)
  await here.deps.keyring.rotate()
  const after = await login(before, here)
  t.not(decodeProtectedHeader(before.access_token).kid, decodeProtectedHeader(after.access_token).kid)
  await judge(after.access_token, known, there)
  for (const { access_token } of [before, after])
    for (const each of homes) t.equal((await verify(access_token, each)).status, 204)
  t.equal((await refresh(after.refresh_token, there)).status, 200)
})

t.test('the private keys are neither in the JWKS nor readable in the store', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const at = await openHome({ REDIS_URL: redis.url })
  t.teardown(at.close)
  const you = await at.newcomer()
  const jwk = createPrivateKey(ownKey(you.access_token, at).privatePem).export({ format: 'jwk' })
  const held = (await redis.cli('KEYS', '*')).split('\n')
  const dump = (await Promise.all(held.map((key) => redis.cli('GET', key).catch(() => '')))).join('\n')
  t.match(dump, you.user.id, 'the dump is one')
  for (const secret of [jwk.d ?? '', 'PRIVATE KEY', you.refresh_token, you.access_token, PASSWORD])
    t.notOk(dump.includes(secret))
  t.notOk(JSON.stringify(await keySet(at)).includes(jwk.d ?? ''))
  const stored = new Set(dump.match(/[\w.~+/-]{8,}/g))
  t.ok(stored.size > 10)
  for (const value of stored) {
    t.equal((await at.call('GET', '/v1/verify', { token: value })).status, 401, 'nothing stored is an access token')
    const refreshed = await at.call('POST', '/v1/refresh', { body: { refresh_token: value } })
    t.not(refreshed.status, 200, 'nor a refresh token')
  }
})
