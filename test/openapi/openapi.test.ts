import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { ADMIN, documentOf, PUBLIC } from '../../openapi/document.ts'
import { addClient } from '../../src/auth/clients/add.ts'
import { disable } from '../../src/auth/accounts/disable.ts'
import { PROBLEM_CODES } from '../../src/http/problems.ts'
import { StoreUnavailable } from '../../src/store/store.ts'
import type { Answer, CallOptions, Home } from '../support/home.ts'
import { firstStep, withApp } from '../support/factors.ts'
import { openMailHome } from '../support/mail-home.ts'
import { basic, type ClientSecret, formOf } from '../support/oauth.ts'
import { type Operation, readContract, type Tree } from './contract.ts'
import { strangePasskey, visitRequired, visitStale, visitWithApp, visitWithPasskey } from './factor-tour.ts'

const PASSWORD = 'seven red bicycles in the rain'
const OTHER_PASSWORD = 'nine blue umbrellas on the roof'
const SAME_SITE = { 'sec-fetch-site': 'same-origin' }

const text = readFileSync(PUBLIC.file, 'utf8')
const document: Tree = JSON.parse(text)
const contract = readContract(document)
/** What has been answered: "operationId status" or "operationId code". */
const seen = new Set<string>()

/** With mail: only then all routes are there. */
const home = await openMailHome(t)

type Visit = (method: string, path: string, options?: CallOptions) => Promise<Answer>

/** Calls, and fails the test about every answer that is not as documented. */
function visitor(t: Test, at: Home = home): Visit {
  return async (method, path, options = {}) => {
    const answer = await at.call(method, path, options)
    const operation = contract.find(method, path.split('?')[0] as string)
    const { code } = answer.body
    const told = `${method} ${path} ${answer.status} ${code ?? ''}`
    if (operation === undefined) throw new Error(`${told}: no such operation`)
    t.same(contract.complaints(operation, answer), [], told)
    if (answer.status < 300 && options.body !== undefined) {
      t.same(contract.bodyComplaints(operation, sentIn(options)), [], `${told}: the request`)
    }
    seen.add(`${operation.id} ${code ?? answer.status}`)
    return answer
  }
}

/** What the body of a request says. */
function sentIn({ body, headers = {} }: CallOptions): unknown {
  const isForm = headers['content-type'] === 'application/x-www-form-urlencoded'
  return isForm ? Object.fromEntries(new URLSearchParams(body as string)) : body
}

const operations = contract.operations.map(({ id, method, url, tree }) => ({
  id,
  method,
  path: url.replace('{id}', 'A'.repeat(22)),
  needsToken: tree['security']?.[0]?.bearer !== undefined && tree['security'].length === 1,
  hasBody: tree['requestBody'] !== undefined,
}))
const guarded = operations.filter(({ needsToken }) => needsToken)

/** A request that gets as far as the store or a limit: with a token where one is needed, a right body where there is one. */
async function request(
  id: string,
  { needsToken, hasBody }: (typeof operations)[number],
  at: Home,
): Promise<CallOptions> {
  const me = needsToken || id === 'refresh' || id === 'logout' ? await at.newcomer() : null
  const passwords = { current_password: PASSWORD, new_password: OTHER_PASSWORD }
  const bodies: Record<string, unknown> = {
    register: { email: `swept-${Math.random()}@example.org`, password: PASSWORD },
    login: { email: 'nobody@example.org', password: PASSWORD },
    refresh: { refresh_token: me?.refresh_token },
    logout: { refresh_token: me?.refresh_token },
    changePassword: passwords,
    removeMe: { password: PASSWORD },
    stepUp: { password: PASSWORD },
    forgotPassword: { email: 'nobody@example.org' },
    resetPassword: { email: 'nobody@example.org', code: '12345678', new_password: OTHER_PASSWORD },
    askForVerification: {},
    verifyEmail: { code: '12345678' },
    askForEmailChange: { new_email: 'another@example.org' },
    changeEmail: { code: '12345678' },
    ...(id === 'loginWithSecondFactor' && (await secondStepOf(at))),
    ...(id === 'loginWithPasskey' && (await passkeyLogin(at))),
  }
  const form = FORMS[id]
  if (form !== undefined) return inForm(form, await newClient(at))
  const body = bodies[id] ?? { a: 1 }
  return { ...(needsToken ? { token: me?.access_token as string } : {}), ...(hasBody ? { body } : {}) }
}

async function secondStepOf(at: Home) {
  const { challenge } = await firstStep(at, await withApp(at))
  return { loginWithSecondFactor: { challenge, totp: '000000' } }
}

async function passkeyLogin(at: Home) {
  const { challenge, public_key } = (await at.call('POST', '/v1/login/passkey/options')).body
  return { loginWithPasskey: { challenge, response: strangePasskey().assert(public_key) } }
}

/** What the routes of OAuth take. */
const FORMS: Record<string, Record<string, string>> = {
  token: { grant_type: 'client_credentials' },
  introspect: { token: 'none of ours' },
  revoke: { token: 'none.of.ours' },
}

/** A form, sent by a client or by nobody. */
function inForm(parameters: Record<string, string>, client: ClientSecret | null): CallOptions {
  const authorization: Record<string, string> = client === null ? {} : { authorization: basic(client) }
  return {
    body: formOf(parameters),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...authorization },
  }
}

const NOBODY = { ip: '', network: '', userAgent: '', requestId: '' }

async function newClient({ deps }: Home): Promise<ClientSecret> {
  const wish = { name: 'a program', scopes: ['orders:read'], audiences: [deps.config.AUDIENCE] }
  const { client, secret } = await addClient(deps, wish, NOBODY)
  return { client_id: client.id, client_secret: secret }
}

t.test('the committed document is what the routes say today: npm run openapi', (t) => {
  t.equal(documentOf(home.app.routes, PUBLIC), text)
  t.equal(documentOf(home.app.routes.toReversed(), PUBLIC), text, 'in whatever order they are added')
  t.end()
})

t.test('every route is in the document, and nothing else is', (t) => {
  const routes = home.app.routes.map(({ method, url }) => `${method} ${url.replace(/:(\w+)/g, '{$1}')}`)
  t.same(contract.operations.map(({ method, url }) => `${method} ${url}`).toSorted(), routes.toSorted())
  t.end()
})

t.test('every problem code is in this document or the operator’s, and nothing else is', (t) => {
  const { schemas, examples } = document['components']
  t.same(schemas.Problem.properties.code.enum, PROBLEM_CODES)
  // No operation answers 405: it is the answer to a method that is no operation.
  const { components: operators } = JSON.parse(readFileSync(ADMIN.file, 'utf8')) as Tree
  const answered = new Set([...Object.keys(examples), ...Object.keys(operators.examples)])
  t.same([...answered].toSorted(), PROBLEM_CODES.filter((code) => code !== 'method_not_allowed').toSorted())
  for (const code of PROBLEM_CODES) t.match(document['info'].description, `| \`${code}\` |`)
  t.end()
})

t.test(
  'every object that is answered or taken is closed, but for JSON of the client, forms, public keys and what browsers say of passkeys',
  (t) => {
    const open = new Set<string>()
    for (const [name, schema] of Object.entries<Tree>(document['components'].schemas)) walk(name, schema)
    function walk(place: string, schema: Tree): void {
      if (schema['type'] === 'object' && schema['additionalProperties'] !== false) open.add(place)
      for (const [name, member] of Object.entries<Tree>(schema['properties'] ?? {})) walk(`${place}.${name}`, member)
      if (schema['items'] !== undefined) walk(`${place}[]`, schema['items'])
      for (const form of schema['oneOf'] ?? []) walk(`a form of ${place}`, form)
    }
    const forms = ['IntrospectionForm', 'RevocationForm', 'TokenForm'] // OAuth ignores parameters that it does not know
    const ofBrowsers = ['Assertion', 'Attestation'].flatMap((name) => [name, `${name}.response`]) // each says more than the last one
    const others = ['Document', 'Introspection.app', 'Jwks.keys[]', 'MergePatch', 'PublicKeyOptions']
    t.same([...open].toSorted(), [...others, ...ofBrowsers, ...forms].toSorted())
    t.end()
  },
)

t.test('accounts', async (t) => {
  const visit = visitor(t)
  const body = { email: 'ada@example.org', password: PASSWORD }
  const { body: ada } = await visit('POST', '/v1/register', { body: { ...body, transport: 'body', remember: true } })
  await visit('POST', '/v1/register', { body })
  await visit('POST', '/v1/register', { body: { ...body, email: 'ada' } })
  await visit('POST', '/v1/register', { body: { email: 'grace@example.org', password: 'latchkey' } })
  await visit('POST', '/v1/register', { body: { ...body, transport: 'cookie' } })
  await visit('POST', '/v1/login', { body: { ...body, transport: 'cookie' } })
  await visit('POST', '/v1/login', { body })
  await visit('POST', '/v1/login', { body: { ...body, password: OTHER_PASSWORD } })
  await visit('POST', '/v1/login?access_token=x', { body: { ...body, transport: 'cookie' }, headers: SAME_SITE })

  const token = ada.access_token
  await visit('GET', '/v1/me', { token })
  for (const query of ['', '?limit=1', '?limit=0']) await visit('GET', `/v1/me/events${query}`, { token })
  await visit('POST', '/v1/password', {
    token,
    body: { current_password: OTHER_PASSWORD, new_password: OTHER_PASSWORD },
  })
  await visit('POST', '/v1/password', { token, body: { current_password: PASSWORD, new_password: 'x'.repeat(257) } })
  const changed = await visit('POST', '/v1/password', {
    token,
    body: { current_password: PASSWORD, new_password: OTHER_PASSWORD },
  })
  await visit('DELETE', '/v1/me', { token: changed.body.access_token, body: { password: PASSWORD } })
  await visit('DELETE', '/v1/me', { token: changed.body.access_token, body: { password: OTHER_PASSWORD } })
})

t.test('a lost password', async (t) => {
  const visit = visitor(t)
  const { email } = await home.newcomer()
  const body = { email, code: '0', new_password: OTHER_PASSWORD }
  const { token, code } = await home.letterAfter(email, () =>
    visit('POST', '/v1/password/forgot', { body: { email, locale: 'ko' } }),
  )
  await visit('POST', '/v1/password/reset', { body })
  await visit('POST', '/v1/password/reset', { body: { ...body, code, new_password: 'short' } })
  await visit('POST', '/v1/password/reset', { body: { ...body, code } })
  await visit('POST', '/v1/password/reset', { body: { token, new_password: OTHER_PASSWORD } })
})

t.test('the address, and the password again for a change of it', async (t) => {
  const visit = visitor(t)
  const me = await home.newcomer()
  let token = me.access_token
  const first = await home.letterAfter(me.email, () => visit('POST', '/v1/email/verification', { token, body: {} }))
  await visit('POST', '/v1/email/verify', { token, body: { code: '0' } })
  await visit('POST', '/v1/email/verify', { token, body: { token: first.token } })
  await visit('POST', '/v1/email/verification', { token })

  home.clock.advance(301_000)
  const { access_token } = (await visit('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })).body
  const ask = (new_email: string) => visit('POST', '/v1/email/change', { token, body: { new_email } })
  token = access_token
  t.match(await ask('later@example.org'), { status: 403, body: { max_age: 300, factors: [] } })
  await visit('POST', '/v1/step-up', { token, body: { password: OTHER_PASSWORD } })
  token = (await visit('POST', '/v1/step-up', { token, body: { password: PASSWORD } })).body.access_token
  const mine = await home.letterAfter('later@example.org', () => ask('later@example.org'))
  await visit('POST', '/v1/email/change/confirm', { token, body: { code: '0' } })
  await visit('POST', '/v1/email/change/confirm', { token, body: { code: mine.code } })

  const lost = await home.letterAfter('quicker@example.org', () => ask('quicker@example.org'))
  await visit('POST', '/v1/register', { body: { email: 'quicker@example.org', password: PASSWORD } })
  await visit('POST', '/v1/email/change/confirm', { token, body: { token: lost.token } })
})

t.test('sessions', async (t) => {
  const visit = visitor(t)
  const me = await home.newcomer()
  const { email, access_token: token } = me
  await visit('POST', '/v1/login', { body: { email, password: PASSWORD } })
  const { sessions } = (await visit('GET', '/v1/sessions', { token })).body
  await visit('DELETE', `/v1/sessions/${sessions[1].id}`, { token })
  await visit('DELETE', `/v1/sessions/${sessions[1].id}`, { token })
  await visit('DELETE', '/v1/sessions/no-id', { token })

  const next = await visit('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
  const refresh_token = next.body.refresh_token
  await visit('POST', '/v1/refresh')
  await visit('POST', '/v1/refresh', { body: { refresh_token: 'none of ours' } })
  await visit('POST', '/v1/logout', { body: { refresh_token, scope: 'others' } })
  await visit('POST', '/v1/logout', { body: { refresh_token } })
  await visit('POST', '/v1/refresh', { body: { refresh_token } })
  await visit('POST', '/v1/logout', { body: { refresh_token, scope: 'all' } })
  await visit('POST', '/v1/logout', { body: { refresh_token: 'none of ours', scope: 'all' } })
  await visit('POST', '/v1/logout', { token, body: { scope: 'all' } })
  await visit('POST', '/v1/logout')
})

t.test('a cookie session, from the first cookie to the last', async (t) => {
  const visit = visitor(t)
  const cookieOf = ({ headers }: { headers: Record<string, any> }) =>
    String(headers['set-cookie']).split(';')[0] as string
  const email = 'cookie@example.org'
  const body = { email, password: PASSWORD, transport: 'cookie', remember: true }
  const cookie = cookieOf(await visit('POST', '/v1/register', { body, headers: SAME_SITE }))
  await visit('POST', '/v1/refresh', { headers: { cookie } })
  await visit('POST', '/v1/logout', { headers: { cookie } })
  await visit('POST', '/v1/refresh', { headers: { cookie: `${cookie}; ${cookie}`, ...SAME_SITE } })
  const next = await visit('POST', '/v1/refresh', { headers: { cookie, ...SAME_SITE } })
  const token = next.body.access_token
  const changed = await visit('POST', '/v1/password', {
    token,
    body: { current_password: PASSWORD, new_password: OTHER_PASSWORD },
  })
  await visit('POST', '/v1/logout', { headers: { cookie: cookieOf(changed), ...SAME_SITE } })
  const over = await visit('POST', '/v1/refresh', { headers: { cookie: cookieOf(changed), ...SAME_SITE } })
  t.match(cookieOf(over), /=$/, 'the refusal that takes the cookie back is documented with it')

  const again = await visit('POST', '/v1/login', { body: { ...body, password: OTHER_PASSWORD }, headers: SAME_SITE })
  await visit('DELETE', '/v1/me', { token: again.body.access_token, body: { password: OTHER_PASSWORD } })
})

for (const path of ['/v1/session/data', '/v1/me/preferences']) {
  t.test(path, async (t) => {
    const visit = visitor(t)
    const { access_token: token } = await home.newcomer()
    const read = await visit('GET', path, { token })
    const type = { 'content-type': 'application/merge-patch+json' }
    const ifMatch = { 'if-match': read.headers['etag'] as string }
    await visit('PATCH', path, {
      token,
      body: { cart: { 'sku-1': 2 }, gone: null, list: [1, 'two', false] },
      headers: ifMatch,
    })
    await visit('PATCH', path, { token, body: { cart: null }, headers: ifMatch })
    await visit('PATCH', path, { token, body: { cart: { 'sku-1': null } }, headers: type })
    await visit('PATCH', path, { token, body: [] })
    await visit('PATCH', path, { token, body: { cart: 'x'.repeat(17_000) } })
    await visit('GET', path, { token })
  })
}

t.test('an account that the operator has disabled', async (t) => {
  const visit = visitor(t)
  const { user, email } = await home.newcomer()
  await disable(home.deps, user.id, null, NOBODY)
  await visit('POST', '/v1/login', { body: { email, password: PASSWORD } })
})

t.test('second factors', async (t) => {
  const people = { ...home, call: visitor(t) }
  for (const visit of [visitWithApp, visitWithPasskey, visitStale]) await visit(people)
})

t.test('where a second factor is required, every route that wants one says so', async (t) => {
  const strict = await openMailHome(t, { SECOND_FACTOR: 'required' })
  const visit = visitor(t, strict)
  const { access_token: token } = await strict.newcomer()
  for (const { method, path } of guarded) await visit(method, path, { token })
  await visitRequired({ ...strict, call: visit })
})

t.test('tokens, health and the documentation', async (t) => {
  const visit = visitor(t)
  const { access_token: token } = await home.newcomer()
  await visit('GET', '/v1/verify', { token })
  await visit('GET', '/v1/verify?role=editor', { token })
  const client = await newClient(home)
  const own = await visit('POST', '/oauth/token', inForm(FORMS['token'] ?? {}, client))
  await visit('GET', '/v1/verify', { token: own.body.access_token })
  for (const asked of [token, own.body.access_token, 'none of ours'])
    await visit('POST', '/oauth/introspect', inForm({ token: asked }, client))
  for (const path of ['/oauth/introspect', '/oauth/revoke']) await visit('POST', path, inForm({}, client))
  for (const { method, path } of guarded) await visit(method, path, { token: own.body.access_token })
  await visit('POST', '/v1/logout', { token: own.body.access_token })
  for (const asking of [client, null])
    await visit('POST', '/oauth/revoke', inForm({ token: own.body.access_token }, asking))
  const { refresh_token } = await home.newcomer()
  await visit('POST', '/oauth/token', inForm({ grant_type: 'refresh_token', refresh_token }, null))
  for (const { method, path, needsToken } of operations) if (method === 'GET' && !needsToken) await visit(method, path)
})

t.test('every route that needs a token says why one is refused', async (t) => {
  const visit = visitor(t)
  const me = await home.newcomer()
  const old = await home.newcomer()
  const ended = await home.newcomer()
  await home.call('POST', '/v1/logout', { body: { refresh_token: ended.refresh_token, scope: 'all' } })
  for (const { method, path } of guarded) {
    await visit(method, path)
    await visit(method, path, { token: me.access_token.slice(0, -9) })
    await visit(method, path, { token: ended.access_token })
  }
  const { access_token: token } = ended
  await visit('POST', '/v1/logout', { token, body: { scope: 'others' } })
  home.clock.advance(400_000)
  for (const { method, path } of guarded) await visit(method, path, { token: old.access_token })
  await visit('POST', '/v1/logout', { token: old.access_token, body: { scope: 'others' } })
})

t.test('every route that takes a body says why one is refused', async (t) => {
  const visit = visitor(t)
  const { access_token: token } = await home.newcomer()
  for (const { method, path } of operations.filter(({ hasBody }) => hasBody)) {
    await visit(method, path, { token, body: '{"email":' })
    await visit(method, path, { token, body: '{"a":1,"a":2}' })
    await visit(method, path, { token, body: '[]' })
    await visit(method, path, { token, body: JSON.stringify('x'.repeat(33_000)) })
    await visit(
      method,
      path,
      inForm({ token: 'x'.repeat(33_000) }, path.startsWith('/oauth') ? await newClient(home) : null),
    )
    await visit(method, path, {
      token,
      body: 'email=x',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    if (!path.endsWith('/data') && !path.endsWith('/preferences'))
      await visit(method, path, { token, body: { admin: true } })
  }
})

t.test('every route that takes none, and reads one, says why it is refused', async (t) => {
  const visit = visitor(t)
  const { access_token: token } = await home.newcomer()
  for (const { method, path } of operations.filter(({ method: verb, hasBody }) => verb !== 'GET' && !hasBody)) {
    await visit(method, path, { token, body: '{' })
    await visit(method, path, { token, body: 'x'.repeat(40_000) })
    await visit(method, path, { token, body: '<id/>', headers: { 'content-type': 'text/xml' } })
  }
})

t.test('every route that is limited says when to come again', async (t) => {
  const names = ['LIMIT_REGISTER', 'LIMIT_LOGIN', 'LIMIT_REFRESH', 'LIMIT_API']
  const narrow = await openMailHome(t, Object.fromEntries(names.map((name) => [name, '1/1h'])))
  const visit = visitor(t, narrow)
  for (const { method, path } of operations) {
    await visit(method, path)
    await visit(method, path)
  }
})

for (const [what, error] of [
  ['is away', new StoreUnavailable('away')],
  ['has a bug', new Error('a bug')],
] as const) {
  t.test(`every route says so when the store ${what}`, async (t) => {
    const broken = await openMailHome(t)
    const visit = visitor(t, broken)
    const { store, sender } = broken.deps
    await sender?.stop() // it would meet the bug between two requests
    const working = { ...store }
    const fail = {
      get: () => Promise.reject(error),
      getMany: () => Promise.reject(error),
      commit: () => Promise.reject(error),
    }
    t.teardown(() => void Object.assign(store, working))
    for (const operation of operations) {
      Object.assign(store, working)
      const options = await request(operation.id, operation, broken)
      Object.assign(store, fail, { faults: async () => ['the store is away'] })
      if (operation.id === 'passkeyLoginOptions') Object.assign(store, { count: fail.get }) // asks for no more than its limit
      await visit(operation.method, operation.path, options)
    }
  })
}

/** What no request through inject can provoke: what the parser refuses, a full hashing queue, and a store that is not asked. */
function isOutOfReach({ id, method, tree }: Operation, code: string): boolean {
  if (['request_timeout', 'headers_too_large', 'busy'].includes(code)) return true
  if (code === 'bad_request')
    return (tree['requestBody'] === undefined && method === 'GET') || tree['tags'][0] === 'OAuth'
  const asksNoStore = ['readJwks', 'readMetadata'].includes(id) || ['Docs', 'Health'].includes(tree['tags'][0])
  return asksNoStore && ['internal', 'store_unavailable'].includes(code)
}

t.test('everything documented has been answered on this tour, but for what is out of its reach', (t) => {
  const unseen = contract.operations.flatMap((operation) =>
    contract
      .answers(operation)
      .filter((answer) => !seen.has(`${operation.id} ${answer}`) && !isOutOfReach(operation, answer))
      .map((answer) => `${operation.id} ${answer}`),
  )
  t.same(unseen, [])
  t.end()
})
