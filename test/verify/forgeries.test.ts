import { decodeJwt, decodeProtectedHeader } from 'jose'
import t from 'tap'
import type { Refused } from '@latchkey/verify'
import { ATTACKS, es256, forge, type Json } from '../support/forgeries.ts'
import { openHome } from '../support/home.ts'
import { eventually } from '../support/settle.ts'
import { listen, outcomeOf, saying, verifierAt } from './issuer.ts'

// A verifier on a real service: what that refuses, it refuses.

const ISSUER = 'http://localhost:3000'
/** Its tokens outlive the tests before these: the verifier goes by the time of the machine. */
const home = await openHome({ ACCESS_TTL: '1h', SESSION_IDLE: '2h' })
const url = await home.app.listen({ host: '127.0.0.1', port: 0 })
const NAMES = { issuer: ISSUER, audience: ISSUER, clock: () => home.clock.now }
const verifier = verifierAt(t, url, NAMES)
t.teardown(home.close)
// Where the machine had no time for the first fetch, the next one comes after a pause.
const fetchKeys = () => verifier.ready().catch(() => home.clock.advance(5000))
await eventually(() => fetchKeys().then(() => verifier.status().keys > 0), { within: 20_000 })

const [me, neighbour] = [await home.newcomer(), await home.newcomer()]
const token = me.access_token
const key = home.deps.keyring.find(decodeProtectedHeader(token).kid)
if (key === undefined) throw new Error('not a key of ours')
const { kid, privatePem, publicPem } = key
const genuine = (header: Json = {}, claims: Json = {}) => forge(token, header, claims, es256(privatePem))
const outcome = (text: string) => outcomeOf(verifier.verify(text))

t.test('a token says whom it lets in', async (t) => {
  const access = await verifier.verify(token)
  t.strictSame(access, {
    sub: me.user.id,
    sid: me.session_id,
    jti: decodeJwt(token).jti,
    roles: [],
    acr: 'aal1',
    authTime: decodeJwt(token)['auth_time'],
    amr: ['pwd'],
    scope: [],
    claims: decodeJwt(token),
  })
  t.equal(await verifier.verify(token), access, 'and is remembered')
  t.throws(() => (access.claims['amr'] as string[]).push('otp'), TypeError, 'frozen, as all who ask get it')
  const request = new Request('http://localhost/', { headers: { authorization: `bEARER  ${token}` } })
  t.equal(await verifier.verify(request), access)
})

t.test('every forgery that the service refuses is refused, and nothing is fetched for it', async (t) => {
  const evil = await listen(t, saying(200, { keys: [] }))
  const published = (await home.call('GET', '/.well-known/jwks.json')).body.keys.find(
    (each: Json) => each['kid'] === kid,
  )
  const originals = {
    token,
    neighbours: neighbour.access_token,
    privatePem,
    publicPem,
    published,
    url: `${evil.url}/jwks.json`,
  }
  for (const [attack, forgeries] of Object.entries(ATTACKS)) {
    for (const [what, text] of forgeries(originals))
      t.equal(await outcome(text), '401 token_invalid', `${attack}: ${what}`)
  }
  t.strictSame(evil.heard, [])
  t.equal(await outcome(token), 'ok')
})

t.test('every claim must be there and of its type; issuer and audience must be the ones asked for', async (t) => {
  const claims = decodeJwt(token)
  const names = ['iss', 'aud', 'sub', 'client_id', 'iat', 'exp', 'jti', 'sid', 'gen', 'rtc', 'auth_time', 'amr', 'acr']
  const wrong: Json[] = names.flatMap((name) => [
    { [name]: undefined },
    { [name]: null },
    { [name]: { is: claims[name] } },
    { [name]: typeof claims[name] === 'number' ? `${claims[name]}` : 1 },
  ])
  wrong.push(...[`${claims.exp}`, '', true, [claims.exp], 1e300, -1.5, (claims.exp ?? 0) + 0.5].map((exp) => ({ exp })))
  wrong.push(
    { nbf: claims.iat },
    { roles: 'editor' },
    { roles: [1] },
    { scope: ['a'] },
    { email_verified: 'no' },
    { app: [] },
  )
  wrong.push({ iss: 'https://evil.example' }, { iss: `${ISSUER}/` }, { iss: ISSUER.toUpperCase() }, { iss: [ISSUER] })
  wrong.push(
    { aud: 'https://other.example' },
    { aud: `${ISSUER}.evil.example` },
    { aud: ['https://other.example'] },
    { aud: [] },
  )
  for (const each of wrong) t.equal(await outcome(genuine({}, each)), '401 token_invalid', JSON.stringify(each))
  t.equal(await outcome(genuine({}, { aud: ['https://other.example', ISSUER] })), 'ok', 'one audience among others')
  t.equal(await outcome(genuine({}, { iat: (claims.iat ?? 0) + 3600 })), 'ok', 'the clock of an instance may be ahead')
})

t.test("a machine's token has a scope and no session; a person's without a session is none", async (t) => {
  const absent = {
    sid: undefined,
    gen: undefined,
    rtc: undefined,
    auth_time: undefined,
    amr: undefined,
    acr: undefined,
  }
  const machine = { ...absent, sub: 'reports', client_id: 'reports', scope: 'orders:read orders:write' }
  t.match(await verifier.verify(genuine({}, machine)), {
    sub: 'reports',
    sid: undefined,
    acr: undefined,
    authTime: undefined,
    scope: ['orders:read', 'orders:write'],
    roles: [],
  })
  t.equal(await outcome(genuine({}, { ...machine, sub: me.user.id })), '401 token_invalid')
})

t.test('each algorithm of the service is verified', async (t) => {
  for (const JWT_ALG of ['EdDSA', 'RS256']) {
    const at = await openHome({ JWT_ALG })
    t.teardown(at.close)
    const other = verifierAt(t, await at.app.listen({ host: '127.0.0.1', port: 0 }), NAMES)
    const you = await at.newcomer()
    t.equal((await other.verify(you.access_token)).sub, you.user.id, JWT_ALG)
    t.equal(await outcomeOf(other.verify(token)), '401 token_invalid', 'and no other')
  }
})

t.test('a token lives until exp and ten seconds of leeway, met before or not', async (t) => {
  const [hot, cold] = [(await home.newcomer()).access_token, (await home.newcomer()).access_token]
  t.equal(await outcome(hot), 'ok')
  for (const each of [hot, cold]) {
    const endsAt = (decodeJwt(each).exp ?? 0) * 1000 + 10_000
    home.clock.now = endsAt - 1
    t.equal(await outcome(each), 'ok')
    home.clock.now = endsAt
    t.equal(await outcome(each), '401 token_expired')
  }
})

t.test('two verifiers of different audience in one process know nothing of each other', async (t) => {
  const [orders, both] = [
    verifierAt(t, url, { ...NAMES, audience: 'https://orders.example' }),
    verifierAt(t, url, NAMES),
  ]
  const now = Math.floor(home.clock.now / 1000)
  const life = { iat: now, exp: now + 300 }
  const cases: [Json, string, string][] = [
    [{ aud: ISSUER }, '401 token_invalid', 'ok'],
    [{ aud: 'https://orders.example' }, 'ok', '401 token_invalid'],
    [{ aud: ['https://orders.example', ISSUER] }, 'ok', 'ok'],
  ]
  for (const [aud, atOrders, atBoth] of [...cases, ...cases]) {
    const text = genuine({}, { ...life, ...aud })
    t.equal(await outcomeOf(orders.verify(text)), atOrders)
    t.equal(await outcomeOf(both.verify(text)), atBoth)
  }
})

t.test('what is demanded is looked at at each request, and the challenge says what is missing', async (t) => {
  const now = Math.floor(home.clock.now / 1000)
  const standing = { iat: now, exp: now + 300, auth_time: now - 100 }
  const text = genuine({}, { ...standing, roles: ['viewer', 'editor'], scope: 'read write' })
  const challengeOf = async (requirements: object, of = text) =>
    verifier.verify(of, requirements).then(
      () => 'ok',
      (error: Refused) => `${error.status} ${error.code} ${error.challenge}`,
    )
  const REALM = 'Bearer realm="latchkey"'
  const STEP_UP = `401 step_up_required ${REALM}, error="insufficient_user_authentication"`
  const SCOPE = `403 insufficient ${REALM}, error="insufficient_scope"`
  const cases: [object, string][] = [
    [{}, 'ok'],
    [{ roles: [] }, 'ok'],
    [{ roles: ['editor', 'viewer'], scope: 'write read', acr: 'aal1', maxAge: 100 }, 'ok'],
    [{ roles: 'editor', scope: ['read'] }, 'ok'],
    [{ roles: ['editor', 'owner'] }, SCOPE],
    [{ roles: 'edit' }, SCOPE],
    [{ scope: 'read delete' }, `${SCOPE}, scope="read delete"`],
    [{ acr: 'aal2' }, `${STEP_UP}, acr_values="aal2"`],
    [{ acr: 'aal3' }, `${STEP_UP}, acr_values="aal3"`],
    [{ maxAge: 99 }, `${STEP_UP}, max_age="99"`],
    [{ acr: 'aal2', maxAge: 60 }, `${STEP_UP}, acr_values="aal2", max_age="60"`],
  ]
  for (const [requirements, expected] of cases)
    t.equal(await challengeOf(requirements), expected, JSON.stringify(requirements))
  t.equal(await challengeOf({ acr: 'aal1' }, genuine({}, { ...standing, acr: 'aal2' })), 'ok')
  home.clock.now += 1000
  t.match(await challengeOf({ maxAge: 100 }), /^401 step_up_required/, 'the same token, a second later')
})

t.test('an option that is missing or unheard of is told when the verifier is made', async (t) => {
  const wrong = [
    { issuer: '' },
    { audience: '' },
    { audience: undefined },
    { freshness: 'Strict' },
    { baseUrl: 'here' },
  ]
  for (const each of wrong) t.throws(() => verifierAt(t, url, each as object), TypeError, JSON.stringify(each))
  await t.rejects(verifier.verify(token, { freshness: 'string' as 'strict' }), TypeError)
  await t.rejects(verifier.verify(token, { role: 'editor' } as object), TypeError, 'a role that nobody would ask for')
})
