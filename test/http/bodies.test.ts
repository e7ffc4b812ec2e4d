import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { type Answer, type CallOptions, openHome } from '../support/home.ts'

const PASSWORD = 'seven red bicycles in the rain'
const BAD = { status: 400, body: { code: 'bad_request' } }

const home = await openHome()
t.teardown(home.close)
const me = await home.newcomer()
const token = me.access_token

type Taker = readonly [method: string, path: string]
const OPEN: readonly Taker[] = [
  ['POST', '/v1/register'],
  ['POST', '/v1/login'],
  ['POST', '/v1/refresh'],
  ['POST', '/v1/logout'],
]
const GUARDED: readonly Taker[] = [
  ['POST', '/v1/password'],
  ['DELETE', '/v1/me'],
  ['PATCH', '/v1/session/data'],
  ['PATCH', '/v1/me/preferences'],
]
const TAKERS = [...OPEN, ...GUARDED]

// ---- What is a body

t.test('the JSON null is a body, and none that a route takes', async (t) => {
  for (const [method, path] of TAKERS) {
    for (const body of ['null', ' null\n']) {
      const answer = await home.call(method, path, { token, body })
      t.match(answer, BAD, `${method} ${path}`)
      t.same(answer.body.errors, [{ path: '', message: 'expected object, received null' }])
    }
  }
  const patch = { token, body: 'null', headers: { 'content-type': 'application/merge-patch+json' } }
  t.match(await home.call('PATCH', '/v1/session/data', patch), BAD)
})

t.test('a null does not stand for the cookie or the access token that is sent beside it', async (t) => {
  const body = { email: me.email, password: PASSWORD, transport: 'cookie' }
  const headers = { 'sec-fetch-site': 'same-origin' }
  const login = await home.call('POST', '/v1/login', { body, headers })
  const cookie = String(login.headers['set-cookie']).split(';')[0] as string
  for (const path of ['/v1/refresh', '/v1/logout']) {
    const answer = await home.call('POST', path, { body: 'null', headers: { ...headers, cookie } })
    t.match(answer, BAD, path)
    t.notOk(answer.headers['set-cookie'])
  }
  t.equal((await home.call('POST', '/v1/refresh', { headers: { ...headers, cookie } })).status, 200)
})

t.test('blanks are no JSON, and no body at all is none', async (t) => {
  for (const [method, path] of TAKERS) {
    for (const body of [' ', '\n', '\t \r\n']) {
      const answer = await home.call(method, path, { token, body })
      t.match(answer, BAD, `${method} ${path} ${JSON.stringify(body)}`)
      t.equal(answer.body.errors, undefined)
    }
  }
  for (const path of ['/v1/refresh', '/v1/logout']) {
    t.match(await home.call('POST', path, { body: '' }), { status: 401, body: { code: 'no_token' } }, path)
  }
  t.match((await home.call('POST', '/v1/login')).body.errors, [{ path: '', message: 'is missing' }])
})

// ---- What is said of a member

t.test('a member that may be absent is never called missing: the refusal says what it wants', async (t) => {
  const credentials = { email: me.email, password: PASSWORD }
  const members: [path: string, body: object, member: string, wanted: RegExp][] = [
    ['/v1/login', credentials, 'remember', /^expected boolean/],
    ['/v1/login', credentials, 'transport', /^expected one of "body"\|"cookie"$/],
    ['/v1/register', credentials, 'remember', /^expected boolean/],
    ['/v1/register', credentials, 'transport', /^expected one of "body"\|"cookie"$/],
    ['/v1/refresh', {}, 'refresh_token', /^expected string/],
    ['/v1/logout', {}, 'refresh_token', /^expected string/],
    ['/v1/logout', {}, 'scope', /^expected one of "session"\|"others"\|"all"$/],
  ]
  for (const [path, body, member, message] of members) {
    for (const value of [null, 0, [], {}]) {
      const answer = await home.call('POST', path, { token, body: { ...body, [member]: value } })
      t.match(
        answer,
        { ...BAD, body: { errors: [{ path: member, message }] } },
        `${path} ${member} ${JSON.stringify(value)}`,
      )
    }
  }
})

t.test('a required member is missing when it is absent, and not when it is null', async (t) => {
  const required: [...Taker, object][] = [
    ['POST', '/v1/login', { email: me.email, password: PASSWORD }],
    ['POST', '/v1/register', { email: me.email, password: PASSWORD }],
    ['POST', '/v1/password', { current_password: PASSWORD, new_password: PASSWORD }],
    ['DELETE', '/v1/me', { password: PASSWORD }],
  ]
  for (const [method, path, body] of required) {
    for (const member of Object.keys(body)) {
      const told = async (value: unknown) =>
        (await home.call(method, path, { token, body: { ...body, [member]: value } })).body.errors
      t.same(await told(undefined), [{ path: member, message: 'is missing' }], `${path} ${member}`)
      t.same(await told(null), [{ path: member, message: 'expected string, received null' }], `${path} ${member}`)
    }
  }
})

// ---- Numbers

t.test('a number that cannot be kept as it is is refused wherever it stands, and nothing is written', async (t) => {
  await home.call('PATCH', '/v1/session/data', { token, body: { kept: 1 } })
  const before = await home.call('GET', '/v1/session/data', { token })
  const numbers = [
    '9007199254740993',
    '-9007199254740993',
    '18446744073709551615',
    '9007199254740993.0',
    '1e400',
    '-1e400',
  ]
  for (const number of numbers) {
    for (const [method, path] of TAKERS) {
      const answer = await home.call(method, path, { token, body: `{"a":{"b":[1,${number}]}}` })
      t.match(
        answer,
        { ...BAD, body: { errors: [{ path: 'a.b.1', message: /^is a number that cannot be kept/ }] } },
        path,
      )
      t.notMatch(JSON.stringify(answer.body), number, 'the value is not echoed')
    }
  }
  const after = await home.call('GET', '/v1/session/data', { token })
  t.equal(after.headers['etag'], before.headers['etag'])
})

t.test('every other number comes back as it was sent, in a document and to the digit', async (t) => {
  const numbers =
    '0 -1 9007199254740991 -9007199254740992 9007199254740994 18446744073709552000 0.1 1.5e-7 1e+21 5e-324'
  const text = `{"a":[${numbers.split(' ').join()}]}`
  const sent = { method: 'PATCH', url: '/v1/me/preferences', payload: text } as const
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  t.equal((await home.app.inject({ ...sent, headers })).payload, text)
  t.equal((await home.app.inject({ url: sent.url, headers })).payload, text)
  const spelled = await home.call('PATCH', sent.url, { token, body: '{"a":[-0,1.0,1e3,1E3,0.10000000000000001]}' })
  t.same(spelled.body, { a: [0, 1, 1000, 1000, 0.1] }, 'one value, another spelling')
})

t.test('the name of the member at fault is told, cut short', async (t) => {
  const body = `{"${'n'.repeat(10_000)}":1e999}`
  const { errors } = (await home.call('PATCH', '/v1/session/data', { token, body })).body
  t.equal(errors[0].path, 'n'.repeat(64))
  const twice = await home.call('PATCH', '/v1/session/data', { token, body: '{"a":{"b":1,"b":2}}' })
  t.match(twice, { ...BAD, body: { errors: [{ path: 'a.b', message: 'is named twice' }] } })
})

// ---- Encodings

const send = (method: string, path: string, payload: Buffer | string, headers: Record<string, string>) =>
  home.app.inject({
    method: method as 'POST',
    url: path,
    payload,
    headers: { 'content-type': 'application/json', ...headers },
  })

t.test('an encoded body is 415 on every route that takes one, and the answer says which coding is taken', async (t) => {
  const text = JSON.stringify({ email: me.email, password: PASSWORD })
  const encoded: [string, Buffer | string][] = [
    ['gzip', gzipSync(text)],
    ['br', brotliCompressSync(text)],
    ['deflate', deflateSync(text)],
    ['x-gzip', gzipSync(text)],
    ['GZIP', gzipSync(text)],
    ['gzip, identity', gzipSync(text)],
    ['identity, gzip', gzipSync(text)],
    ['gzip', text],
    ['unheard-of', text],
    ['gzip', '{'],
  ]
  for (const [method, path] of TAKERS) {
    for (const [coding, body] of encoded) {
      const answer = await send(method, path, body, { 'content-encoding': coding, authorization: `Bearer ${token}` })
      t.match(answer, { statusCode: 415, headers: { 'accept-encoding': 'identity' } }, `${path} ${coding}`)
      t.match(answer.json(), { code: 'unsupported_media_type', detail: /Content-Encoding/ })
    }
  }
  const patch = {
    'content-encoding': 'gzip',
    'content-type': 'application/merge-patch+json',
    authorization: `Bearer ${token}`,
  }
  t.equal((await send('PATCH', '/v1/session/data', gzipSync('{}'), patch)).statusCode, 415)
})

t.test(
  'identity is no encoding, an empty body has none, and another media type is a refusal of another kind',
  async (t) => {
    const text = JSON.stringify({ email: me.email, password: PASSWORD })
    for (const coding of ['identity', 'Identity', 'identity, identity', ' identity ,', '']) {
      t.equal((await send('POST', '/v1/login', text, { 'content-encoding': coding })).statusCode, 200, coding)
    }
    t.equal((await send('POST', '/v1/refresh', '', { 'content-encoding': 'gzip' })).statusCode, 401, 'no body')
    const type = await send('POST', '/v1/login', text, { 'content-encoding': 'gzip', 'content-type': 'text/plain' })
    t.equal(type.statusCode, 415)
    t.notOk('accept-encoding' in type.headers, 'RFC 9110 section 12.5.3: only where the coding is at fault')
    const read = await home.call('GET', '/v1/me', { token, headers: { 'content-encoding': 'gzip' } })
    t.equal(read.status, 200, 'a GET has no body')
  },
)

// ---- Which refusal comes first

t.test('429 and 401 come before whatever is wrong with the body', async (t) => {
  const bodies: CallOptions[] = [
    { body: 'null' },
    { body: ' ' },
    { body: '{"a":1e999}' },
    { body: '{"a":1,"a":1}' },
    { body: '{}', headers: { 'content-encoding': 'gzip' } },
    { body: 'x'.repeat(40_000), headers: { 'content-encoding': 'gzip' } },
  ]
  const strict = await openHome({
    LIMIT_LOGIN: '1/1m',
    LIMIT_REGISTER: '1/1m',
    LIMIT_REFRESH: '1/1m',
    LIMIT_API: '1/1m',
  })
  t.teardown(strict.close)
  for (const [method, path] of [...OPEN, ['GET', '/v1/me']] as const) await strict.call(method, path)
  const refused = ({ status, body }: Answer) => [status, body.code]
  for (const options of bodies) {
    for (const [method, path] of GUARDED) {
      t.same(refused(await home.call(method, path, options)), [401, 'no_token'], path)
      t.same(refused(await home.call(method, path, { ...options, token: 'x' })), [401, 'token_invalid'], path)
    }
    for (const [method, path] of OPEN) {
      t.same(refused(await strict.call(method, path, options)), [429, 'too_many_requests'], path)
    }
    const evil = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', cookie: '__Host-refresh_token=x' }
    const headers = { ...options.headers, ...evil }
    t.same(refused(await home.call('POST', '/v1/refresh', { ...options, headers })), [403, 'cross_site'])
  }
})

t.test('none of these refusals has cost anybody anything', async (t) => {
  t.equal((await home.call('GET', '/v1/verify', { token })).status, 204)
  const body = { email: me.email, password: PASSWORD }
  t.equal((await home.call('POST', '/v1/login', { body })).status, 200)
})
