import { METHODS } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { CookieJar } from 'tough-cookie'
import { keys } from '../../src/store/keys.ts'
import { put } from '../../src/store/store.ts'
import { type Answer, type CallOptions, type Home, type Newcomer, openHome } from '../support/home.ts'
import { problemIn, type RawOptions, sendRaw, statusesOf } from '../support/raw.ts'
import { startRedis } from '../support/redis.ts'
import { makeSecurityHeaders } from '../../src/http/plugins/response-headers.ts'
import { type Service, startService } from '../support/service.ts'

const PASSWORD = 'seven red bicycles in the rain'
const CODES: Record<string, number> = {
  bad_request: 400,
  bad_credentials: 401,
  no_token: 401,
  token_invalid: 401,
  token_expired: 401,
  token_revoked: 401,
  session_over: 401,
  cross_site: 403,
  wrong_password: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  email_taken: 409,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media_type: 415,
  password_unacceptable: 422,
  too_many_requests: 429,
  headers_too_large: 431,
  internal: 500,
  store_unavailable: 503,
  busy: 503,
}
const ROUTES: Record<string, string[]> = {
  '/v1/register': ['POST'],
  '/v1/login': ['POST'],
  '/v1/refresh': ['POST'],
  '/v1/logout': ['POST'],
  '/v1/password': ['POST'],
  '/v1/me': ['GET', 'DELETE'],
  '/v1/sessions': ['GET'],
  '/v1/sessions/AAAAAAAAAAAAAAAAAAAAAA': ['DELETE'],
  '/v1/session/data': ['GET', 'PATCH'],
  '/v1/me/preferences': ['GET', 'PATCH'],
  '/v1/verify': ['GET'],
  '/.well-known/jwks.json': ['GET'],
  '/openapi.json': ['GET'],
  '/docs': ['GET'],
  '/livez': ['GET'],
  '/readyz': ['GET'],
  '/readyz/own': ['GET'],
}

/** What any page may read: their preflight is answered, and in a way of its own. */
const isForAnyPage = (path: string) => path === '/.well-known/jwks.json' || path === '/openapi.json'

/** What gateways ask has every method, and no preflight: gateway-methods.test.ts. */
const FOR_GATEWAYS = '/v1/verify'
const { [FOR_GATEWAYS]: _, ...USUAL_ROUTES } = ROUTES

const APP = 'https://app.example.org'
const ADMIN = 'https://admin.example.org:8443'
const OWN = 'http://localhost:3000'
const SAME_SITE = { 'sec-fetch-site': 'same-origin' }
const CLEARED = /^__Host-refresh_token=;/

const home = await openHome()
t.teardown(home.close)
const cors = await openHome({ ALLOWED_ORIGINS: `${APP},${ADMIN}` })
t.teardown(cors.close)
const me = await home.newcomer()

/** All that has been answered by `call`, for the last test of the file. */
const seen: { method: string; path: string; status: number }[] = []

/** Calls, and fails the test if the answer breaks a rule that holds for every answer. */
async function call(
  t: Test,
  method: string,
  path: string,
  options: CallOptions = {},
  at: Home = home,
): Promise<Answer> {
  const answer = method === 'HEAD' ? await headOf(path, options, at) : await at.call(method, path, options)
  seen.push({ method, path, status: answer.status })
  const faults = [...headerFaults(path, answer), ...problemFaults(method, answer), ...echoes(options, answer)]
  t.strictSame(faults, [], `${method} ${path.slice(0, 80)} ${answer.status}`)
  return answer
}

/** HEAD: a body of JSON by its type, and none in fact. */
async function headOf(path: string, { token, headers = {} }: CallOptions, at: Home): Promise<Answer> {
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const answer = await at.app.inject({ method: 'HEAD', url: path, headers: { ...authorization, ...headers } })
  return { status: answer.statusCode, headers: answer.headers, body: answer.payload }
}

/** What the security headers of an answer lack. */
function headerFaults(path: string, { status, headers }: Pick<Answer, 'status' | 'headers'>): string[] {
  const isPublic = status === 200 && /^\/(docs|openapi\.json|\.well-known)/.test(path)
  const wanted: Record<string, RegExp> = {
    'strict-transport-security': /^max-age=(3153600\d|315[4-9]\d{4}|3[2-9]\d{6}|[4-9]\d{7}|\d{9,}); includeSubDomains/,
    'x-content-type-options': /^nosniff$/,
    'referrer-policy': /^no-referrer$/,
    'content-security-policy': /^default-src 'none'; (.*; )?frame-ancestors 'none'$/,
    'cross-origin-resource-policy': isPublic ? /^(same|cross)-origin$/ : /^same-origin$/,
    'cache-control': isPublic ? /^(public, max-age=\d+|no-store)$/ : /^no-store$/,
  }
  const missing = Object.entries(wanted).filter(([name, value]) => !value.test(String(headers[name])))
  const telling = ['server', 'x-powered-by', 'via', 'x-runtime', 'x-version'].filter((name) => name in headers)
  return [...missing.map(([name]) => `${name}: ${headers[name]}`), ...telling]
}

/** What keeps a 4xx or 5xx from being a problem document of the contract. */
function problemFaults(method: string, { status, headers, body }: Answer): string[] {
  if (status < 400 || method === 'HEAD') return []
  const faults = []
  if (headers['content-type'] !== 'application/problem+json') faults.push(`content-type ${headers['content-type']}`)
  if (body?.status !== status || CODES[body?.code] !== status) faults.push(`status ${body?.status}, code ${body?.code}`)
  if (!URL.canParse(body?.type) || !body.type.endsWith(body.code)) faults.push(`type ${body?.type}`)
  if (typeof body?.title !== 'string' || body.title === '') faults.push('no title')
  const fields = new Set(['type', 'title', 'status', 'code', 'detail', 'errors', 'reason'])
  faults.push(...Object.keys(body ?? {}).filter((name) => !fields.has(name)))
  if ([429, 503].includes(status) && !/^[1-9]\d*$/.test(headers['retry-after'])) faults.push('no Retry-After')
  if (status === 401 && !String(headers['www-authenticate']).startsWith('Bearer')) faults.push('no challenge')
  if (status === 405 && !/^[A-Z]+(, [A-Z]+)*$/.test(headers['allow'])) faults.push('no Allow')
  if (/node_modules|\.[jt]s:\d|Error:| at \w+ \(|lmdb|redis|argon|zod|fastify/i.test(JSON.stringify(body)))
    faults.push('internals')
  return faults
}

/** Which values sent come back in a refusal. */
function echoes({ body, token }: CallOptions, { status, body: answer }: Answer): string[] {
  if (status < 400) return []
  const values = typeof body === 'object' && body !== null ? Object.values(body) : []
  const text = JSON.stringify(answer)
  return [token, ...values].filter((value) => typeof value === 'string' && value.length > 7 && text.includes(value))
}

const login = (t: Test, body: object, headers: Record<string, string> = {}, at = home) =>
  call(t, 'POST', '/v1/login', { body: { email: me.email, password: PASSWORD, ...body }, headers }, at)
const cookieHeader = (token: string) => ({ ...SAME_SITE, cookie: `__Host-refresh_token=${token}` })

async function browserLogin(t: Test, at = home, more: object = {}): Promise<{ answer: Answer; cookie: string }> {
  const { email } = at === home ? me : await at.newcomer()
  const answer = await login(t, { email, transport: 'cookie', ...more }, SAME_SITE, at)
  return { answer, cookie: /=([\w-]+);/.exec(String(answer.headers['set-cookie']))?.[1] ?? '' }
}

// ---- An instance with a port

const DATA_DIR = await mkdtemp(join(tmpdir(), 'latchkey-edge-'))
t.teardown(() => rm(DATA_DIR, { recursive: true }))
const service: Service = await startService({ DATA_DIR })
t.teardown(service.kill)

const raw = (parts: (string | Buffer)[], options?: RawOptions) => sendRaw(service.port, parts, options)

const POST = 'POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
// ---- What is not there

t.test('an unknown path is 404 for every method and whatever the body says it is', async (t) => {
  const paths = [
    '/',
    '/v1',
    '/v1/',
    '/v2/login',
    '/v1/login/',
    '/V1/LOGIN',
    '/v1//login',
    '/metrics',
    '/.env',
    '/admin',
    '/v1/me;x=1',
    '/v1/sessions/a/b',
    '/.well-known/openid-configuration',
    '/docs/../package.json',
    '/docs/%2e%2e/package.json',
    '/docs/..%2fpackage.json',
    '/docs/package.json',
    '/*',
  ]
  for (const path of paths) {
    t.equal((await call(t, 'GET', path)).status, 404, path)
    t.equal((await call(t, 'POST', path, { body: 'x=1', headers: { 'content-type': 'text/plain' } })).status, 404, path)
    t.equal((await call(t, 'DELETE', path, { body: '{' })).status, 404, path)
  }
})

t.test('a method that a path does not have is 405 with those it has, exotic ones too', async (t) => {
  const untestable = new Set(['CONNECT', 'HEAD']) // the one never reaches a route, the other has a test of its own
  const methods = METHODS.filter((method) => !untestable.has(method))
  for (const [path, allowed] of Object.entries(USUAL_ROUTES)) {
    for (const method of methods.filter((method) => !allowed.includes(method))) {
      if (method === 'OPTIONS' && isForAnyPage(path)) continue
      const answer = await call(t, method, path, { token: me.access_token })
      t.equal(answer.status, 405, `${method} ${path}`)
      const allow = String(answer.headers['allow']).split(', ')
      t.strictSame(allow.filter((name) => name !== 'HEAD' && name !== 'OPTIONS').toSorted(), allowed.toSorted())
    }
    const typed = await call(t, 'PUT', path, { body: '<x/>', headers: { 'content-type': 'text/xml' } })
    t.equal(typed.status, 405, 'the type of the body is nobody’s business')
  }
  t.equal((await call(t, 'PUT', '/v1/me?x=/v1/login')).headers['allow'], 'GET, HEAD, DELETE')
})

t.test('a malformed id in a path is 404, and never the id of something else', async (t) => {
  const you = await home.newcomer()
  const ids = [
    '%00',
    '%2f',
    '..%2f..',
    '%',
    '%zz',
    '%E0%A4',
    '%ff',
    '%c0%ae',
    '%20',
    '%0d%0aX:%20y',
    'x'.repeat(10_000),
    'A'.repeat(21),
    'A'.repeat(23),
    'A'.repeat(499),
    'A'.repeat(500),
    'A'.repeat(501),
    '123e4567-e89b-12d3-a456-426614174000',
    '__proto__',
    'constructor',
    '*',
    '{x}',
    you.user.id,
    `${you.session_id}=`,
    `%20${you.session_id}`,
    `${you.session_id}%00`,
    `${you.session_id}:x`,
  ]
  for (const id of ids) {
    const answer = await call(t, 'DELETE', `/v1/sessions/${id}`, { token: you.access_token })
    t.match(answer, { status: 404, body: { code: 'not_found' } }, id.slice(0, 60))
  }
  t.equal((await call(t, 'GET', '/v1/verify', { token: you.access_token })).status, 204)
  const spelled = `%${you.session_id.charCodeAt(0).toString(16)}${you.session_id.slice(1)}`
  t.equal(
    (await call(t, 'DELETE', `/v1/sessions/${spelled}`, { token: you.access_token })).status,
    204,
    'percent-encoded, it is the same id',
  )
})

t.test('a URL that cannot be decoded is refused like anything else', async (t) => {
  for (const path of ['/%', '/%zz', '/v1/%c0%af', '/v1/me%', '/%E0%A4%A']) {
    const { status } = await call(t, 'GET', path)
    t.ok(status === 404 || status === 400, path)
  }
})

t.test('HEAD and OPTIONS are answered without a body and without harm', async (t) => {
  for (const path of Object.keys(USUAL_ROUTES)) {
    const head = await call(t, 'HEAD', path, { token: me.access_token })
    t.equal(head.body, '')
    t.ok([200, 204, 405].includes(head.status), `HEAD ${path} ${head.status}`)
    t.ok([204, 405].includes((await call(t, 'OPTIONS', path)).status))
  }
})

// ---- What is sent

t.test('a body is JSON and says so: any other type is 415', async (t) => {
  const body = JSON.stringify({ email: me.email, password: PASSWORD })
  const types = [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/json',
    'application/jsonp',
    'application/json2',
    'application/xjson',
    'application/problem+json',
    'application/merge-patch+json',
    'application/ld+json',
    'json',
    '*/*',
    'application/*',
    'text/plain;application/json',
    'text/plain, application/json',
    ';application/json',
    '',
    '\u00e9',
  ]
  for (const path of ['/v1/register', '/v1/login', '/v1/refresh', '/v1/logout', '/v1/password']) {
    for (const type of types) {
      const answer = await call(t, 'POST', path, { body, headers: { 'content-type': type }, token: me.access_token })
      t.match(answer, { status: 415, body: { code: 'unsupported_media_type' } }, `${path} ${type}`)
    }
  }
  const bare = await home.app.inject({ method: 'POST', url: '/v1/login', payload: Buffer.from(body) })
  t.equal(bare.statusCode, 415, 'none at all')
  for (const type of [
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON',
    'application/json;charset=UTF-8',
  ]) {
    t.equal((await call(t, 'POST', '/v1/login', { body, headers: { 'content-type': type } })).status, 200, type)
  }
})

t.test('malformed JSON of every kind is 400', async (t) => {
  const texts = [
    ' ',
    '{',
    '}',
    '[',
    '"',
    '{]',
    'null',
    '1',
    'true',
    '"x"',
    '[]',
    '{}',
    'undefined',
    'NaN',
    '-',
    '+1',
    '01',
    '.5',
    '1e',
    '0x10',
    `{'email':'a@example.org'}`,
    '{email:1}',
    '{"email":}',
    '{"email":1,}',
    '{"email" 1}',
    '{,}',
    '[{}]',
    '[1,]',
    '{}{}',
    '{} x',
    '{}\u0000',
    '// comment\n{}',
    '/* comment */{}',
    '{"a":1}//',
    '{"a":"\n"}',
    '{"a":"\t"}',
    '{"a":"\\x41"}',
    '{"a":"\\u12"}',
    '{"a":Infinity}',
    `{"a":1e999}`,
    'email=a%40example.org&password=x',
    '<email/>',
    '\ufeff\ufeff{}',
    ")]}',\n{}",
    `{"email":"${me.email}","email":"eve@example.org","password":"${PASSWORD}"}`,
    `{"email":"${me.email}","password":"x","\\u0070assword":"${PASSWORD}"}`,
    `{"email":"${me.email}","password":"${PASSWORD}","__proto__":{"transport":"cookie"}}`,
    `{"email":"${me.email}","password":"${PASSWORD}","\\u005f_proto__":{}}`,
    `{"email":"${me.email}","password":"${PASSWORD}","constructor":{"prototype":{"x":1}}}`,
    `{"email":"${me.email}","password":"${PASSWORD}","prototype":{}}`,
    `{"__proto__":{"email":"${me.email}","password":"${PASSWORD}"}}`,
    '['.repeat(16_000),
    `${'['.repeat(16_000)}${']'.repeat(16_000)}`,
    '{"a":'.repeat(5000) + '1' + '}'.repeat(5000),
    `{"a":${'9'.repeat(20_000)}}`,
    `{"a":1e${'9'.repeat(100)}}`,
  ]
  const began = performance.now()
  for (const text of texts) {
    for (const path of ['/v1/login', '/v1/register', '/v1/refresh']) {
      if (['null', '{}'].includes(text) && path === '/v1/refresh') continue // that may be called no body
      t.match(
        await call(t, 'POST', path, { body: text }),
        { status: 400, body: { code: 'bad_request' } },
        `${path} ${text.slice(0, 50)}`,
      )
    }
  }
  t.ok(performance.now() - began < 5000, 'and cheap')
  t.equal(({} as Record<string, unknown>)['transport'], undefined, 'nobody’s prototype is changed')
})

t.test('bytes that are no UTF-8 are no JSON', async (t) => {
  for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xf5, 0x80, 0x80, 0x80]]) {
    const payload = Buffer.concat([
      Buffer.from(`{"email":"utf${bytes.join('')}@example.org","password":"${PASSWORD} `),
      Buffer.from(bytes),
      Buffer.from('"}'),
    ])
    const { statusCode } = await home.app.inject({
      method: 'POST',
      url: '/v1/register',
      payload,
      headers: { 'content-type': 'application/json' },
    })
    t.equal(statusCode, 400, bytes.join())
  }
})

t.test('type juggling: a field of another type is 400 and names the field', async (t) => {
  const odd: unknown[] = [null, 0, 1, true, [], ['x'], {}, { $ne: null }, { toString: 'x' }, [[]]]
  const bodies: [string, string, object][] = [
    ['POST', '/v1/login', { email: me.email, password: PASSWORD, transport: 'body', remember: false }],
    ['POST', '/v1/register', { email: 'juggler@example.org', password: PASSWORD, transport: 'body', remember: false }],
    ['POST', '/v1/refresh', { refresh_token: me.refresh_token }],
    ['POST', '/v1/logout', { refresh_token: 'x', scope: 'session' }],
    ['POST', '/v1/password', { current_password: PASSWORD, new_password: PASSWORD }],
    ['DELETE', '/v1/me', { password: PASSWORD }],
  ]
  for (const [method, path, body] of bodies) {
    for (const field of Object.keys(body)) {
      for (const value of [...odd, ...(field === 'remember' ? ['true', 'false', ''] : [])]) {
        if (field === 'remember' && value === true) continue
        const answer = await call(t, method, path, { token: me.access_token, body: { ...body, [field]: value } })
        t.match(answer, { status: 400, body: { code: 'bad_request' } }, `${path} ${field} ${JSON.stringify(value)}`)
        t.match(answer.body.errors?.[0]?.path, new RegExp(`^${field}\\b`))
      }
    }
  }
  const enums: [string, object][] = [
    ['/v1/login', { email: me.email, password: PASSWORD, transport: 'Cookie' }],
    ['/v1/login', { email: me.email, password: PASSWORD, transport: '' }],
    ['/v1/logout', { refresh_token: me.refresh_token, scope: 'everything' }],
    ['/v1/logout', { refresh_token: me.refresh_token, scope: 'ALL' }],
  ]
  for (const [path, body] of enums) t.equal((await call(t, 'POST', path, { body })).status, 400)
  for (const missing of ['email', 'password']) {
    const body = { email: me.email, password: PASSWORD, [missing]: undefined }
    t.match(await call(t, 'POST', '/v1/login', { body }), { status: 400, body: { errors: [{ path: missing }] } })
  }
  const lone = { email: me.email, password: `${PASSWORD} \ud800` }
  t.match(await call(t, 'POST', '/v1/login', { body: lone }), { status: 400, body: { errors: [{ path: 'password' }] } })
  t.equal((await call(t, 'GET', '/v1/verify', { token: me.access_token })).status, 204, 'and nothing has happened')
})

t.test('an empty body is no body, whatever type it claims to be of', async (t) => {
  for (const headers of [
    {},
    { 'content-type': 'application/json' },
    { 'content-type': 'application/json', 'content-length': '0' },
  ]) {
    const you = await home.newcomer()
    t.match(await call(t, 'POST', '/v1/refresh', { headers }), { status: 401, body: { code: 'no_token' } })
    t.match(await call(t, 'POST', '/v1/logout', { headers }), { status: 401, body: { code: 'no_token' } })
    for (const path of ['/v1/login', '/v1/register']) t.equal((await call(t, 'POST', path, { headers })).status, 400)
    const data = await call(t, 'PATCH', '/v1/session/data', { headers, token: you.access_token })
    t.equal(data.status, 400)
    t.equal(
      (await call(t, 'DELETE', `/v1/sessions/AAAAAAAAAAAAAAAAAAAAAA`, { headers, token: you.access_token })).status,
      404,
    )
    t.equal((await call(t, 'POST', '/v1/logout', { headers, token: you.access_token })).status, 204)
    t.equal((await call(t, 'GET', '/v1/verify', { token: you.access_token })).status, 401)
  }
  const { cookie } = await browserLogin(t)
  const headers = { ...cookieHeader(cookie), 'content-type': 'application/json' }
  t.equal((await call(t, 'POST', '/v1/refresh', { headers })).status, 200, 'the cookie and no body')
})

t.test('a body of 32 KiB is read, one byte more is 413', async (t) => {
  const fill = (size: number) => {
    const body = JSON.stringify({ email: me.email, password: '' })
    return body.replace('""', `"${'x'.repeat(size - body.length)}"`)
  }
  for (const [path, status] of [
    ['/v1/login', 401],
    ['/v1/register', 422],
  ] as const) {
    t.equal((await call(t, 'POST', path, { body: fill(32 * 1024) })).status, status)
    t.match(await call(t, 'POST', path, { body: fill(32 * 1024 + 1) }), { status: 413, body: { code: 'too_large' } })
  }
  const patch = `{"a":"${'x'.repeat(32 * 1024)}"}`
  t.equal((await call(t, 'PATCH', '/v1/session/data', { body: patch, token: me.access_token })).status, 413)
})

t.test('unknown query parameters are ignored and never read as fields', async (t) => {
  const query = `?x=1&email=eve@example.org&password=x&transport=cookie&refresh_token=x&scope=all&__proto__=1&x[y]=2&%00=%ff`
  t.match(await call(t, 'POST', `/v1/login${query}`, { body: { email: me.email, password: PASSWORD } }), {
    status: 200,
    body: { user: { email: me.email } },
  })
  for (const path of [
    '/v1/me',
    '/v1/sessions',
    '/v1/session/data',
    '/v1/me/preferences',
    '/.well-known/jwks.json',
    '/livez',
    '/readyz',
    '/readyz/own',
    '/openapi.json',
    '/docs',
  ]) {
    t.equal((await call(t, 'GET', `${path}${query}`, { token: me.access_token })).status, 200, path)
  }
  t.equal((await call(t, 'GET', `/v1/verify${query}`, { token: me.access_token })).status, 204)
  t.equal((await call(t, 'POST', `/v1/refresh?refresh_token=${me.refresh_token}`)).status, 401)
  t.equal((await call(t, 'POST', `/v1/logout?refresh_token=${me.refresh_token}`)).status, 401)
  t.equal((await call(t, 'GET', '/v1/verify', { token: me.access_token })).status, 204)
})

// ---- Which refusal comes first

t.test('429 comes before every other refusal', async (t) => {
  const strict = await openHome({
    LIMIT_LOGIN: '1/1m',
    LIMIT_REGISTER: '1/1m',
    LIMIT_REFRESH: '1/1m',
    LIMIT_API: '1/1m',
  })
  t.teardown(strict.close)
  const evil = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', cookie: '__Host-refresh_token=x' }
  const kinds: [string, string, CallOptions][] = [
    ['POST', '/v1/login', { body: { transport: 'cookie' }, headers: evil }],
    ['POST', '/v1/register', { body: '{', headers: evil }],
    ['POST', '/v1/refresh', { headers: evil }],
    ['POST', '/v1/logout', { headers: evil }],
    ['GET', '/v1/me', {}],
    ['GET', '/nowhere', {}],
    ['PUT', '/v1/me', { body: 'x', headers: { 'content-type': 'text/plain' } }],
    ['PATCH', '/v1/session/data', { body: '{' }],
    ['DELETE', '/v1/sessions/x', {}],
  ]
  for (const path of ['/v1/login', '/v1/register', '/v1/refresh']) await strict.call('POST', path, { body: {} })
  await strict.call('GET', '/v1/me')
  for (const [method, path, options] of kinds) {
    const answer = await call(t, method, path, options, strict)
    t.match(answer, { status: 429, body: { code: 'too_many_requests' } }, `${method} ${path}`)
    t.notOk(answer.headers['set-cookie'])
  }
})

t.test('403 cross_site comes before 401 and 400', async (t) => {
  const evil = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
  const withCookie = { ...evil, cookie: '__Host-refresh_token=x' }
  const attempts: [string, CallOptions][] = [
    ['/v1/login', { body: { transport: 'cookie' }, headers: evil }],
    ['/v1/login', { body: { transport: 'cookie', email: 1, extra: 1 }, headers: evil }],
    ['/v1/login', { body: { transport: 'cookie', email: 'nobody@example.org', password: 'x' }, headers: evil }],
    ['/v1/register', { body: { transport: 'cookie', email: me.email, password: 'short' }, headers: evil }],
    ['/v1/refresh', { headers: withCookie }],
    ['/v1/refresh', { headers: withCookie, body: { refresh_token: me.refresh_token } }],
    ['/v1/refresh', { headers: withCookie, body: { unknown: 1 } }],
    ['/v1/refresh', { headers: withCookie, body: '{' }],
    ['/v1/refresh', { headers: { ...withCookie, 'content-type': 'text/plain' }, body: 'x' }],
    ['/v1/refresh', { headers: { ...evil, cookie: '__Host-refresh_token=x; __Host-refresh_token=y' } }],
    ['/v1/logout', { headers: withCookie }],
    ['/v1/logout', { headers: withCookie, body: { scope: 'all' } }],
    ['/v1/logout', { headers: withCookie, body: { scope: 'nonsense' } }],
    ['/v1/logout', { headers: { ...withCookie, 'content-type': 'text/plain' }, body: 'x' }],
    ['/v1/logout', { headers: withCookie, token: 'garbage' }],
    ['/v1/logout', { headers: { ...evil, cookie: '__Host-refresh_token=x; __Host-refresh_token=y' } }],
  ]
  for (const [path, options] of attempts) {
    const answer = await call(t, 'POST', path, options)
    t.match(answer, { status: 403, body: { code: 'cross_site' } }, `${path} ${JSON.stringify(options)}`)
    t.notOk(answer.headers['set-cookie'])
  }
})

t.test('401 comes before 400, 413 and 415', async (t) => {
  const guarded: [string, string][] = [
    ['POST', '/v1/password'],
    ['DELETE', '/v1/me'],
    ['PATCH', '/v1/session/data'],
    ['PATCH', '/v1/me/preferences'],
  ]
  for (const [method, path] of guarded) {
    const bodies: CallOptions[] = [
      { body: '{' },
      { body: { unknown: 1 } },
      { body: 'x'.repeat(40_000) },
      { body: 'x', headers: { 'content-type': 'text/plain' } },
    ]
    for (const options of bodies) {
      t.match(await call(t, method, path, options), { status: 401, body: { code: 'no_token' } })
      t.match(await call(t, method, path, { ...options, token: 'garbage' }), {
        status: 401,
        body: { code: 'token_invalid' },
      })
    }
  }
})

// ---- Every status

t.test('an answer with a token is never stored', async (t) => {
  const you = await home.newcomer()
  const body = { current_password: PASSWORD, new_password: 'quite another password' }
  const answers = [
    await login(t, {}),
    await login(t, { transport: 'cookie' }, SAME_SITE),
    await call(t, 'POST', '/v1/register', { body: { email: 'nostore@example.org', password: PASSWORD } }),
    await call(t, 'POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } }),
    await call(t, 'POST', '/v1/password', { token: you.access_token, body }),
  ]
  for (const { status, headers, body } of answers) {
    t.ok(status < 300 && body.access_token)
    t.equal(headers['cache-control'], 'no-store')
  }
})

t.test('what nobody expected is a bare 500, and the service lives on', async (t) => {
  const you = await home.newcomer()
  const entry = await home.deps.store.get(keys.user(you.user.id))
  if (entry === null) throw new Error('no user')
  const canary = 'canary-of-a-broken-record' as never
  await home.deps.store.commit({
    checks: [entry],
    puts: [put(keys.user(you.user.id), { ...entry.value, knownAddresses: canary }, null)],
    deletes: [],
  })
  const answer = await call(t, 'POST', '/v1/login', {
    body: { email: you.email, password: PASSWORD },
    headers: { cookie: '__Host-refresh_token=x' },
  })
  t.match(answer, { status: 500, body: { code: 'internal' } })
  t.notOk(answer.headers['set-cookie'])
  t.notMatch(JSON.stringify(answer.body), /canary/)
  t.ok(
    home.lines.some((line) => line['level'] >= 50),
    'it is in the log',
  )
  t.equal((await login(t, {})).status, 200)
})

t.test('the docs and the contract are served from here, under a policy that fetches nothing elsewhere', async (t) => {
  const page = await call(t, 'GET', '/docs')
  t.match(page, { status: 200, headers: { 'content-type': /^text\/html/ } })
  for (const [, file] of String(page.body).matchAll(/(?:src|href)="([^"]+)"/g)) {
    t.match(file, /^\/docs\//)
    t.equal((await call(t, 'GET', file ?? '')).status, 200, file ?? '')
  }
  t.notMatch(page.headers['content-security-policy'], /https?:|\*/)
  t.match(await call(t, 'GET', '/openapi.json'), { status: 200, body: { openapi: /^3\.1/ } })
})

// ---- Cookie mode

t.test(
  'the cookie is __Host-, Secure, HttpOnly, SameSite=Strict, Path=/, without Domain: a strict jar keeps it',
  async (t) => {
    for (const remember of [false, true]) {
      const { answer } = await browserLogin(t, home, { remember })
      const header = String(answer.headers['set-cookie'])
      t.equal([answer.headers['set-cookie']].flat().length, 1)
      const jar = new CookieJar(undefined, { prefixSecurity: 'strict' })
      const cookie = jar.setCookieSync(header, 'https://auth.example.org/v1/login')
      t.match(cookie, {
        key: '__Host-refresh_token',
        httpOnly: true,
        secure: true,
        sameSite: 'strict',
        path: '/',
        hostOnly: true,
      })
      t.notMatch(header, /domain/i)
      t.notMatch(header, /expires/i)
      if (remember) t.equal(cookie?.maxAge, answer.body.refresh_expires_in)
      else t.equal(cookie?.maxAge, null, 'it goes with the browser')
      t.ok(`${cookie?.key}=${cookie?.value}`.length <= 4096)
      t.equal(jar.getCookiesSync('http://auth.example.org/').length, 0)
      t.equal(jar.getCookiesSync('https://www.auth.example.org/').length, 0)

      const sent = { ...SAME_SITE, cookie: jar.getCookieStringSync('https://auth.example.org/v1/refresh') }
      const refreshed = await call(t, 'POST', '/v1/refresh', { headers: sent })
      t.equal(refreshed.status, 200)
      jar.setCookieSync(String(refreshed.headers['set-cookie']), 'https://auth.example.org/v1/refresh')
      t.equal(jar.getCookiesSync('https://auth.example.org/').length, 1)
      t.equal(
        jar.getCookiesSync('https://auth.example.org/')[0]?.maxAge,
        remember ? refreshed.body.refresh_expires_in : null,
      )
      const last = { ...SAME_SITE, cookie: jar.getCookieStringSync('https://auth.example.org/v1/logout') }
      const out = await call(t, 'POST', '/v1/logout', { headers: last })
      t.equal(out.status, 204)
      jar.setCookieSync(String(out.headers['set-cookie']), 'https://auth.example.org/v1/logout')
      t.strictSame(jar.getCookiesSync('https://auth.example.org/'), [], 'the jar is empty after logout')
    }
  },
)

t.test('with COOKIE_DOMAIN it is __Secure- with that Domain, cleared by the same attributes', async (t) => {
  const wide = await openHome({ COOKIE_DOMAIN: 'example.org', ISSUER: 'https://auth.example.org' })
  t.teardown(wide.close)
  const { answer } = await browserLogin(t, wide)
  const jar = new CookieJar(undefined, { prefixSecurity: 'strict' })
  const cookie = jar.setCookieSync(String(answer.headers['set-cookie']), 'https://auth.example.org/v1/login')
  t.match(cookie, {
    key: '__Secure-refresh_token',
    domain: 'example.org',
    secure: true,
    httpOnly: true,
    sameSite: 'strict',
    path: '/',
  })
  t.equal(jar.getCookiesSync('https://api.example.org/').length, 1)
  const headers = { ...SAME_SITE, cookie: jar.getCookieStringSync('https://auth.example.org/') }
  const refreshed = await call(t, 'POST', '/v1/refresh', { headers }, wide)
  t.equal(refreshed.status, 200)
  const old = { ...SAME_SITE, cookie: headers.cookie.replace('__Secure-', '__Host-') }
  t.match(await call(t, 'POST', '/v1/refresh', { headers: old }, wide), { status: 401, body: { code: 'no_token' } })
  const own = { origin: 'https://auth.example.org', cookie: headers.cookie }
  const out = await call(t, 'POST', '/v1/logout', { headers: own }, wide)
  jar.setCookieSync(String(out.headers['set-cookie']), 'https://auth.example.org/v1/logout')
  t.strictSame(jar.getCookiesSync('https://auth.example.org/'), [])
})

t.test('in cookie mode the refresh token is in the cookie and nowhere else', async (t) => {
  const { answer, cookie } = await browserLogin(t)
  const registered = await call(t, 'POST', '/v1/register', {
    body: { email: 'cookie@example.org', password: PASSWORD, transport: 'cookie' },
    headers: SAME_SITE,
  })
  const refreshed = await call(t, 'POST', '/v1/refresh', { headers: cookieHeader(cookie) })
  const body = { current_password: PASSWORD, new_password: 'quite another password' }
  const changed = await call(t, 'POST', '/v1/password', { token: registered.body.access_token, body })
  for (const each of [answer, registered, refreshed, changed]) {
    t.ok(each.status < 300)
    const token = /=([\w-]+);/.exec(String(each.headers['set-cookie']))?.[1] ?? 'none'
    t.equal(token.length, 120)
    t.notOk('refresh_token' in each.body)
    t.notOk(JSON.stringify(each.body).includes(token))
    const { 'set-cookie': _, ...others } = each.headers
    t.notOk(JSON.stringify(others).includes(token))
  }
  const plain = await login(t, {}, { cookie: `__Host-refresh_token=${cookie}` })
  t.notOk(plain.headers['set-cookie'], 'and in body mode there is no cookie')
})

t.test('two cookies of the name or another letter case of it are refused, never the first one taken', async (t) => {
  const { cookie } = await browserLogin(t)
  const name = '__Host-refresh_token'
  const tricks = [
    `${name}=${cookie}; ${name}=${cookie}`,
    `${name}=${cookie}; ${name}=x`,
    `${name}=x; ${name}=${cookie}`,
    `a=b; ${name}=${cookie};c=d;${name}=`,
    `${name}=${cookie}; __host-refresh_token=x`,
    `__HOST-refresh_token=x; ${name}=${cookie}`,
    `__host-Refresh_Token=${cookie}`,
    `__HOST-REFRESH_TOKEN=${cookie}`,
  ]
  for (const trick of tricks) {
    for (const path of ['/v1/refresh', '/v1/logout']) {
      const answer = await call(t, 'POST', path, { headers: { ...SAME_SITE, cookie: trick } })
      t.match(answer, { status: 400, body: { code: 'bad_request' } }, `${path} ${trick.replaceAll(cookie, '…')}`)
      t.notOk(answer.headers['set-cookie'])
    }
  }
  for (const other of [
    `refresh_token=${cookie}`,
    `__Secure-refresh_token=${cookie}`,
    `x${name}=${cookie}`,
    `${name}x=${cookie}`,
  ]) {
    t.match(
      await call(t, 'POST', '/v1/refresh', { headers: { ...SAME_SITE, cookie: other } }),
      { status: 401, body: { code: 'no_token' } },
      other.slice(0, 30),
    )
  }
  const mixed = { ...SAME_SITE, cookie: `a=1; ${name}=${cookie}; b="2"; c` }
  t.equal(
    (await call(t, 'POST', '/v1/refresh', { headers: mixed })).status,
    200,
    'cookies of other names are nobody’s business',
  )
})

t.test('a refresh with the cookie and a body is 400 and changes nothing', async (t) => {
  const { cookie, answer } = await browserLogin(t)
  const { refresh_token } = (await login(t, {})).body
  for (const token of [refresh_token, cookie, 'garbage', '']) {
    const both = await call(t, 'POST', '/v1/refresh', { body: { refresh_token: token }, headers: cookieHeader(cookie) })
    t.match(both, { status: 400, body: { code: 'bad_request' } })
    t.notOk(both.headers['set-cookie'])
  }
  t.equal((await call(t, 'POST', '/v1/refresh', { body: { refresh_token } })).status, 200)
  t.equal((await call(t, 'POST', '/v1/refresh', { headers: cookieHeader(cookie) })).status, 200)
  t.equal((await call(t, 'GET', '/v1/verify', { token: answer.body.access_token })).status, 204)
})

t.test('the cookie is cleared by logout, by the removal of the account and by a final 401 of refresh', async (t) => {
  const cleared = (answer: Answer, status: number) => {
    t.equal(answer.status, status)
    t.match(answer.headers['set-cookie'], CLEARED)
    const jar = new CookieJar(undefined, { prefixSecurity: 'strict' })
    jar.setCookieSync('__Host-refresh_token=x; Path=/; Secure; HttpOnly', 'https://auth.example.org/')
    jar.setCookieSync(String(answer.headers['set-cookie']), 'https://auth.example.org/')
    t.equal(jar.getCookiesSync('https://auth.example.org/').length, 0)
  }
  const { cookie, answer } = await browserLogin(t)
  cleared(await call(t, 'POST', '/v1/logout', { headers: cookieHeader(cookie) }), 204)
  cleared(await call(t, 'POST', '/v1/logout', { headers: cookieHeader(cookie) }), 204)
  cleared(await call(t, 'POST', '/v1/logout', { headers: cookieHeader('garbage') }), 401)
  cleared(await call(t, 'POST', '/v1/refresh', { headers: cookieHeader(cookie) }), 401)
  cleared(await call(t, 'POST', '/v1/refresh', { headers: cookieHeader('garbage') }), 401)
  cleared(await call(t, 'POST', '/v1/refresh', { headers: cookieHeader('') }), 401)
  cleared(await call(t, 'POST', '/v1/refresh', { headers: cookieHeader(me.refresh_token) }), 401)
  t.equal((await call(t, 'GET', '/v1/verify', { token: answer.body.access_token })).status, 401)

  const all = await browserLogin(t)
  cleared(await call(t, 'POST', '/v1/logout', { headers: cookieHeader(all.cookie), body: { scope: 'all' } }), 204)
  const you = await home.newcomer()
  const browser = await login(t, { email: you.email, transport: 'cookie' }, SAME_SITE)
  cleared(await call(t, 'DELETE', '/v1/me', { token: browser.body.access_token, body: { password: PASSWORD } }), 204)
  Object.assign(me, await freshTokens(t))
})

// The accounts of the tests above log themselves out everywhere.
async function freshTokens(t: Test): Promise<Newcomer> {
  return (await login(t, {})).body
}

t.test('nothing else clears the cookie: no 400, 403, 404, 409, 415, 422, 429, 500 or 503', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const strict = await openHome({ REDIS_URL: redis.url, LIMIT_REFRESH: '3/1m' })
  t.teardown(strict.close)
  const { answer, cookie } = await browserLogin(t, strict)
  const headers = cookieHeader(cookie)
  const keeps = async (status: number, method: string, path: string, options: CallOptions) => {
    const kept = await call(t, method, path, options, strict)
    t.equal(kept.status, status, `${method} ${path}`)
    t.notOk(kept.headers['set-cookie'], `${method} ${path} ${status}`)
  }
  const { email } = answer.body.user
  const token = answer.body.access_token
  await keeps(400, 'POST', '/v1/refresh', { headers, body: { refresh_token: 'x' } })
  await keeps(415, 'POST', '/v1/refresh', { headers: { ...headers, 'content-type': 'text/plain' }, body: 'x' })
  await keeps(403, 'POST', '/v1/refresh', { headers: { cookie: headers.cookie } })
  await keeps(429, 'POST', '/v1/refresh', { headers })
  await keeps(403, 'POST', '/v1/logout', { headers: { cookie: headers.cookie } })
  await keeps(400, 'POST', '/v1/logout', { headers, body: { scope: 'x' } })
  await keeps(401, 'POST', '/v1/login', { headers, body: { email, password: 'x', transport: 'cookie' } })
  await keeps(422, 'POST', '/v1/register', {
    headers,
    body: { email: 'x@example.org', password: 'x', transport: 'cookie' },
  })
  await keeps(409, 'POST', '/v1/register', { headers, body: { email, password: PASSWORD, transport: 'cookie' } })
  await keeps(404, 'POST', '/v1/nowhere', { headers })
  await keeps(405, 'GET', '/v1/refresh', { headers })
  await keeps(401, 'GET', '/v1/verify', { headers, token: 'garbage' })
  await keeps(401, 'GET', '/v1/me', { headers })
  await keeps(403, 'DELETE', '/v1/me', { headers, token, body: { password: 'wrong' } })
  await keeps(403, 'POST', '/v1/password', {
    headers,
    token,
    body: { current_password: 'wrong', new_password: 'quite another password' },
  })
  await keeps(204, 'GET', '/v1/verify', { headers, token })
  await keeps(200, 'GET', '/v1/me', { headers, token })
  await redis.kill()
  for (const path of ['/v1/refresh', '/v1/logout']) await keeps(503, 'POST', path, { headers })
  await keeps(503, 'POST', '/v1/login', { headers, body: { email, password: PASSWORD, transport: 'cookie' } })
  await keeps(503, 'DELETE', '/v1/me', { headers, token, body: { password: PASSWORD } })
})

// ---- Cross-site requests

t.test('the cookie works only from the own origin and the allowed ones: all combinations of headers', async (t) => {
  const sites = [
    undefined,
    'same-origin',
    'same-site',
    'cross-site',
    'none',
    'SAME-ORIGIN',
    'same-origin, cross-site',
    '',
  ]
  const origins = [
    undefined,
    OWN,
    APP,
    ADMIN,
    'https://evil.example',
    'null',
    '',
    `${OWN}/`,
    'http://localhost',
    'http://localhost:3001',
    'https://localhost:3000',
    `${APP}.evil.example`,
    'https://APP.example.org',
    `${APP}:443`,
    `${APP}, https://evil.example`,
  ]
  const uses: [string, object | undefined, boolean, number][] = [
    ['/v1/refresh', undefined, true, 401],
    ['/v1/logout', undefined, true, 401],
    ['/v1/login', { transport: 'cookie' }, false, 400],
    ['/v1/register', { transport: 'cookie' }, false, 400],
    ['/v1/login', { transport: 'cookie' }, true, 400],
  ]
  for (const site of sites) {
    for (const origin of origins) {
      const isSilent = site === undefined
      const isUnheardOf = !isSilent && !['same-origin', 'same-site', 'cross-site', 'none'].includes(site)
      if (isUnheardOf && origin === OWN) continue // the contract leaves open whether that counts as absent
      const isFine = site === 'same-origin' || origin === APP || origin === ADMIN || (isSilent && origin === OWN)
      const headers = {
        ...(site === undefined ? {} : { 'sec-fetch-site': site }),
        ...(origin === undefined ? {} : { origin }),
      }
      for (const [path, body, hasCookie, status] of uses) {
        const cookie: Record<string, string> = hasCookie ? { cookie: '__Host-refresh_token=garbage' } : {}
        const answer = await call(t, 'POST', path, { headers: { ...headers, ...cookie }, ...(body && { body }) }, cors)
        const name = `${path} ${JSON.stringify(headers)}`
        if (isFine) t.equal(answer.status, status, name)
        else t.match(answer, { status: 403, body: { code: 'cross_site' } }, name)
      }
    }
  }
})

t.test('what does not use the cookie works from anywhere, even when the browser sends it along', async (t) => {
  const you = await cors.newcomer()
  const browser = await call(
    t,
    'POST',
    '/v1/login',
    { body: { email: you.email, password: PASSWORD, transport: 'cookie' }, headers: SAME_SITE },
    cors,
  )
  const cookie = String(browser.headers['set-cookie']).split(';')[0] ?? ''
  const evil = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
  const logged = await call(
    t,
    'POST',
    '/v1/login',
    { body: { email: you.email, password: PASSWORD }, headers: { ...evil, cookie } },
    cors,
  )
  t.equal(logged.status, 200)
  t.equal(
    (await call(t, 'POST', '/v1/refresh', { body: { refresh_token: you.refresh_token }, headers: evil }, cors)).status,
    200,
  )
  const out = await call(
    t,
    'POST',
    '/v1/logout',
    { body: { refresh_token: logged.body.refresh_token }, headers: { ...evil, cookie } },
    cors,
  )
  t.equal(out.status, 204)
  t.notOk(out.headers['set-cookie'])
  t.equal((await call(t, 'POST', '/v1/logout', { token: you.access_token, headers: evil }, cors)).status, 204)
  t.equal((await call(t, 'GET', '/v1/verify', { token: browser.body.access_token }, cors)).status, 204)
  const passwords = { current_password: PASSWORD, new_password: 'quite another password' }
  const changed = await call(
    t,
    'POST',
    '/v1/password',
    { token: browser.body.access_token, body: passwords, headers: { ...evil, cookie } },
    cors,
  )
  t.equal(changed.status, 200, 'the bearer token alone decides')
})

// ---- CORS

const corsHeaders = ({ headers }: Answer) => Object.keys(headers).filter((name) => name.startsWith('access-control-'))

t.test('CORS: an allowed origin may read every answer, with credentials', async (t) => {
  const you = await cors.newcomer()
  for (const origin of [APP, ADMIN]) {
    const answers = [
      await call(t, 'GET', '/v1/me', { token: you.access_token, headers: { origin } }, cors),
      await call(t, 'GET', '/v1/me', { headers: { origin } }, cors),
      await call(t, 'GET', '/nowhere', { headers: { origin } }, cors),
      await call(t, 'PUT', '/v1/me', { headers: { origin } }, cors),
      await call(t, 'POST', '/v1/login', { body: '{', headers: { origin } }, cors),
      await call(t, 'POST', '/v1/refresh', { headers: { origin, cookie: '__Host-refresh_token=x' } }, cors),
    ]
    t.strictSame(
      answers.map(({ status }) => status),
      [200, 401, 404, 405, 400, 401],
    )
    for (const { headers } of answers) {
      t.equal(headers['access-control-allow-origin'], origin)
      t.equal(headers['access-control-allow-credentials'], 'true')
      t.match(headers['vary'], /\borigin\b/i)
      const exposed = String(headers['access-control-expose-headers']).toLowerCase().split(/, */)
      t.strictSame(exposed.toSorted(), ['etag', 'retry-after', 'www-authenticate'])
    }
  }
})

t.test('CORS: null, look-alikes and strangers get nothing, and caches are told', async (t) => {
  const tricks = [
    'null',
    'https://evil.example',
    'https://app.example.org.evil.example',
    'https://evil.example/app.example.org',
    'https://evilapp.example.org',
    'https://app-example.org',
    'https://appXexample.org',
    'https://sub.app.example.org',
    'https://example.org',
    'http://app.example.org',
    'https://app.example.org:443',
    'https://app.example.org:8443',
    'https://admin.example.org',
    'https://app.example.org/',
    'https://APP.EXAMPLE.ORG',
    'https://user@app.example.org',
    `${APP} ${ADMIN}`,
    `${APP},${ADMIN}`,
    'https://app.example.org%00.evil.example',
    'file://',
    '*',
    OWN,
  ]
  for (const origin of tricks) {
    for (const [method, path] of [
      ['GET', '/v1/me'],
      ['GET', '/nowhere'],
      ['GET', '/livez'],
      ['OPTIONS', '/v1/login'],
    ] as const) {
      const preflight = { origin, 'access-control-request-method': 'POST' }
      const answer = await call(t, method, path, { headers: method === 'OPTIONS' ? preflight : { origin } }, cors)
      t.notOk(answer.headers['access-control-allow-origin'], `${origin} ${method} ${path}`)
      t.notOk(answer.headers['access-control-allow-credentials'], `credentials for ${origin}`)
      t.match(answer.headers['vary'], /\borigin\b/i)
    }
  }
  const none = await call(t, 'GET', '/v1/me', {}, cors)
  t.match(none.headers['vary'], /\borigin\b/i, 'also where no origin was sent')
  t.notOk(none.headers['access-control-allow-origin'])
})

t.test('CORS: a preflight from an allowed origin tells methods and headers, and changes nothing', async (t) => {
  for (const [path, methods] of Object.entries(USUAL_ROUTES).filter(([path]) => !isForAnyPage(path))) {
    const headers = {
      origin: APP,
      'access-control-request-method': methods[0] ?? '',
      'access-control-request-headers': 'authorization, content-type, if-match',
    }
    const answer = await call(t, 'OPTIONS', path, { headers }, cors)
    t.ok(answer.status === 204 || answer.status === 200)
    t.equal(answer.headers['access-control-allow-origin'], APP)
    t.equal(answer.headers['access-control-allow-credentials'], 'true')
    const allowed = String(answer.headers['access-control-allow-methods']).split(/, */)
    for (const method of methods) t.ok(allowed.includes(method), `${method} ${path}`)
    const names = String(answer.headers['access-control-allow-headers']).toLowerCase().split(/, */)
    for (const name of ['authorization', 'content-type', 'if-match']) t.ok(names.includes(name), name)
    t.notOk(names.includes('*'))
  }
})

t.test('CORS: without ALLOWED_ORIGINS no origin is told anything', async (t) => {
  for (const origin of [OWN, APP, 'null', '*']) {
    for (const method of ['GET', 'OPTIONS']) {
      t.strictSame(
        corsHeaders(await call(t, method, '/v1/me', { headers: { origin, 'access-control-request-method': 'GET' } })),
        [],
      )
    }
  }
})

t.test('GET, HEAD and OPTIONS change nothing in the store', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const still = await openHome({ REDIS_URL: redis.url, ALLOWED_ORIGINS: APP })
  t.teardown(still.close)
  const { answer, cookie } = await browserLogin(t, still)
  const names = async () =>
    (await redis.cli('KEYS', '*'))
      .split('\n')
      .filter((key) => !/:limit:|:probe$/.test(key))
      .toSorted()
  const snapshot = async () => Promise.all((await names()).map(async (key) => [key, await redis.cli('DUMP', key)]))
  const before = await snapshot()
  t.ok(before.length >= 4)
  const paths = [...Object.keys(ROUTES), `/v1/sessions/${answer.body.session_id}`]
  for (const path of paths) {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE']) {
      for (const token of [answer.body.access_token, 'garbage']) {
        const headers = { ...cookieHeader(cookie), origin: APP }
        const body = { email: answer.body.user.email, password: PASSWORD, refresh_token: cookie, scope: 'all' }
        await call(
          t,
          method,
          `${path}?scope=all&_method=DELETE`,
          {
            token,
            headers: { ...headers, 'x-http-method-override': 'DELETE' },
            ...(method === 'OPTIONS' ? {} : { body }),
          },
          still,
        )
      }
    }
  }
  t.strictSame(await snapshot(), before)
})

// ---- Real sockets: the parser, its limits, and time

t.test('request smuggling: ambiguous framing is 400 and the end of the connection', async (t) => {
  const smuggled = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'
  const heads = [
    'Content-Length: 5\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: chunked\r\nContent-Length: 5',
    'Content-Length: 5\r\nContent-Length: 6',
    'Content-Length: 2, 5',
    'Content-Length: -1',
    'Content-Length: +5',
    'Content-Length: 0x5',
    'Content-Length: 5 5',
    'Content-Length: five',
    'Content-Length: 99999999999999999999999',
    'Content-Length : 5',
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding: chunked, identity',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding:\u000bchunked',
    ' Folded: first',
    'X:\r\n\rfolded',
    'X\u0000Y: 1',
    'X: a\u0000b',
    ': nameless',
    'no colon',
  ]
  const answers = await Promise.all(heads.map((head) => raw([`${POST}${head}\r\n\r\n0\r\n\r\n${smuggled}`])))
  for (const [i, answer] of answers.entries()) {
    const name = JSON.stringify(heads[i])
    t.strictSame(statusesOf(answer), [400], name)
    t.ok(answer.isClosed, name)
    t.match(problemIn(answer), { status: 400, code: 'bad_request' })
    t.match(answer.text, /\r\nconnection: close\r\n/i)
    t.match(answer.text, /\r\ncontent-type: application\/problem\+json\r\n/i)
  }
})

t.test('what is no HTTP/1.1 request is 400 and the end of the connection', async (t) => {
  const texts = [
    'GARBAGE\r\n\r\n',
    'GET\r\n\r\n',
    'GET / HTTP/9.9\r\nHost: x\r\n\r\n',
    'get / HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'G\u0000T / HTTP/1.1\r\nHost: x\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\u0016\u0003\u0001\u0002\u0000\u0001',
    '{"email":"x"}\r\n\r\n',
    'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n',
  ]
  const answers = await Promise.all(texts.map((text) => raw([Buffer.from(text, 'latin1')])))
  for (const [i, answer] of answers.entries()) {
    t.strictSame(statusesOf(answer), [400], JSON.stringify(texts[i]))
    t.ok(answer.isClosed, JSON.stringify(texts[i]))
  }
})

t.test('a bad chunk in the middle of a body is 400 and close, answered once', async (t) => {
  const chunked = `${POST}Transfer-Encoding: chunked\r\n\r\n`
  const bodies = [
    'zz\r\n{}\r\n0\r\n\r\n',
    '-1\r\n',
    '2\r\n{}X\r\n0\r\n\r\n',
    '5;x\u0000\r\n{}',
    'ffffffffffffffff0\r\n{}',
    '2\r\n{}\r\n0\r\nX\u0000: y\r\n\r\n',
  ]
  const answers = await Promise.all(bodies.map((body) => raw([chunked, body])))
  for (const [i, answer] of answers.entries()) {
    t.strictSame(statusesOf(answer), [400], JSON.stringify(bodies[i]))
    t.ok(answer.isClosed)
  }
})

t.test('headers that are too large are 431 and close', async (t) => {
  const floods = [
    `GET /v1/me HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`,
    `GET /v1/me HTTP/1.1\r\nHost: x\r\n${'X-Many: yes\r\n'.repeat(2000)}\r\n`,
    `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${'x'.repeat(200_000)}\r\n\r\n`,
  ]
  for (const answer of await Promise.all(floods.map((flood) => raw([flood])))) {
    t.strictSame(statusesOf(answer), [431])
    for (const name of Object.keys(makeSecurityHeaders('max-age=1')))
      t.match(answer.text, new RegExp(`^${name}: `, 'im'), name)
    t.match(problemIn(answer), { status: 431, code: 'headers_too_large' })
    t.ok(answer.isClosed)
  }
  const fine = await raw([`GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Big: ${'x'.repeat(8000)}\r\n\r\n`])
  t.strictSame(statusesOf(fine), [200])
})

t.test('a body of 10 MB is 413 and close, announced or in chunks, and is not read to its end', async (t) => {
  const megabyte = Buffer.alloc(1 << 20, 'x')
  const announced = `${POST}Content-Length: ${10 << 20}\r\n\r\n`
  const chunked = `${POST}Transfer-Encoding: chunked\r\n\r\n100000\r\n`
  for (const head of [announced, chunked]) {
    const answer = await raw([head, megabyte.subarray(0, 33 * 1024)])
    t.strictSame(statusesOf(answer), [413], 'as soon as it is clear')
    t.match(problemIn(answer), { status: 413, code: 'too_large' })
    t.match(answer.text, /\r\nconnection: close\r\n/i)
    t.ok(answer.isClosed)
  }
  const rest = Array.from({ length: 10 }, () => megabyte)
  const chunks = rest.flatMap((chunk) => [chunk, '\r\n100000\r\n'])
  for (const flood of await Promise.all([raw([announced, ...rest]), raw([chunked, ...chunks])])) {
    t.ok(flood.isClosed, 'who goes on sending is cut off')
    t.ok(flood.ms < 4000)
  }
  t.equal((await service.call('GET', '/livez')).status, 200)
})

t.test('a well-framed request in an unusual form is answered as the same one in the usual form', async (t) => {
  const close = 'Host: x\r\nConnection: close\r\n'
  const you = await service.call('POST', '/v1/register', { body: { email: 'raw@example.org', password: PASSWORD } })
  const json = JSON.stringify({ refresh_token: you.body.refresh_token })
  const split = Array.from(json, (char) => `1\r\n${char}\r\n`).join('')
  const refreshed = await raw([
    `POST /v1/refresh HTTP/1.1\r\n${close}content-TYPE: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    split,
    '0\r\n\r\n',
  ])
  t.strictSame(statusesOf(refreshed), [200])
  const bearer = `Authorization: Bearer ${you.body.access_token}\r\n`
  const upgrade = await raw([
    `GET /v1/verify HTTP/1.1\r\nHost: x\r\n${bearer}Connection: close, Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  ])
  t.strictSame(statusesOf(upgrade), [204])
  const old = await raw([`GET /livez HTTP/1.0\r\n\r\n`])
  t.strictSame(statusesOf(old), [200])
  t.ok(old.isClosed)
  const two = await raw([`GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\n${close}\r\n`])
  t.strictSame(statusesOf(two), [200, 404], 'pipelined')
  const empty = await raw([`POST /v1/logout HTTP/1.1\r\n${close}${bearer}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`])
  t.strictSame(statusesOf(empty), [204], 'an empty body in chunks is no body')
  const expecting = await raw([`GET /livez HTTP/1.1\r\n${close}Expect: nonsense\r\n\r\n`])
  if (statusesOf(expecting)[0] !== 200)
    t.match(expecting.text, /content-type: application\/problem\+json/i, 'a refusal is a problem document')
  const tunnel = await raw(['CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n'])
  t.ok(tunnel.isClosed)
  t.notMatch(tunnel.text, /^HTTP\/1\.1 2/)
})

t.test('no status was seen that the schema of its route does not declare', async (t) => {
  const routes = [...home.app.routes]
  const undeclared = new Set<string>()
  let matched = 0
  for (const { method, path, status } of seen) {
    const [bare = ''] = path.split('?')
    const route = routes.find(
      ({ url, method: known }) => known === method && new RegExp(`^${url.replace(/:\w+/, '[^/]+')}$`).test(bare),
    )
    if (route?.schema === undefined) continue
    matched += 1
    const declared = Object.keys((route.schema as { response?: object }).response ?? {})
    if (declared.length > 0 && !declared.includes(String(status))) undeclared.add(`${method} ${route.url} ${status}`)
  }
  t.ok(matched > 500, `${matched} answers`)
  t.strictSame([...undeclared], [])
})
