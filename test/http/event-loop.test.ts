import t, { type Test } from 'tap'
import { timesAsLong } from '../support/event-loop.ts'
import { type CallOptions, openHome } from '../support/home.ts'

// A request keeps all others waiting for as long as it holds the event loop. What the largest body, header and URL of each kind
// costs is held against the largest plain body, in the same run: a ratio, as machines differ.

const BODY = 32 * 1024
const HEADER = 15_000
/** The costliest do four times the work of the plain one; what is not linear does twelve times as much and more. */
const RATIO = 8

const home = await openHome({ LOG_LEVEL: 'silent' })
t.teardown(home.close)
const { access_token: token } = await home.newcomer()

type Sent = readonly [method: string, path: string, options: CallOptions, status: number]
type Kinds = Readonly<Record<string, Sent>>

/** The units as often as there is room in a body. `step` is what one takes with its comma. */
function fill(open: string, step: number, unit: (place: number) => string, close: string): string {
  const units = Array.from({ length: Math.floor((BODY - 100) / step) }, (_, place) => unit(place))
  return `${open}${units.join()}${close}`
}

const list = (unit: string) => fill('{"a":[', unit.length + 1, () => unit, ']}')
const nested = (depth: number, core: string) => list('['.repeat(depth) + core + ']'.repeat(depth))
const code = (place: number) => place.toString(36).padStart(4, '0')
const members = fill('{', 9, (place) => `"${code(place)}":1`, '}')
const kindsOf = <Value>(values: Readonly<Record<string, Value>>, sent: (value: Value) => Sent): Kinds =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, sent(value)]))

const patch = (body: string, status: number): Sent => ['PATCH', '/v1/session/data', { token, body }, status]
const CART = patch(
  fill('{"cart":[', 44, (place) => `{"sku":"${code(place)}","count":2,"note":"a gift"}`, ']}'),
  413,
)

/** Each is answered as it should be, and none holds the loop much longer than the plain one does. */
async function holdNoLonger(t: Test, kinds: Kinds, plain = CART, at = home): Promise<void> {
  const ask = ([method, path, options]: Sent) => at.call(method, path, options)
  for (const [name, sent] of Object.entries(kinds)) {
    t.equal((await ask(sent)).status, sent[3], name)
    const times = await timesAsLong(
      () => ask(sent),
      () => ask(plain),
      RATIO,
    )
    t.ok(times < RATIO, `${name}: ${times.toFixed(1)} times as long as the plain one`)
  }
}

t.test('no patch holds the event loop much longer than a full cart does', async (t) => {
  const refused = {
    'numbers that are too large': list('1e999'),
    'too large, in many lists': nested(30, '1e999'),
    'too large, as deep as may be': nested(62, '1e999'),
    'one too large, at the end': `${list('1').slice(0, -2)},1e999]}`,
    'integers that are too long': list('9007199254740993'),
    'an integer without end': `{"a":${'9'.repeat(BODY - 10)}}`,
    'zeros without end': `{"a":1${'0'.repeat(BODY - 10)}}`,
    'deeper than may be': `{"a":${'['.repeat(15_000)}${']'.repeat(15_000)}}`,
    'a member twice, at the end': `${members.slice(0, -1)},"${code(0)}":1}`,
    'no end of quotes': `{"a":${'"'.repeat(BODY - 10)}}`,
  }
  const tooLarge = {
    ones: list('1'),
    'long integers that are kept': list('18446744073709552000'),
    nothings: list('null'),
    'empty lists': list('[]'),
    'empty objects': list('{}'),
    'objects of one member': list('{"":0}'),
    'lists in lists': nested(30, ''),
    'lists as deep as may be': nested(62, '1'),
    'objects in objects': list(`${'{"":'.repeat(60)}1${'}'.repeat(60)}`),
    names: members,
    'names that are numbers': fill('{', 15, (place) => `"${4_294_967_290 - place * 7919}":1`, '}'),
    'names in escapes': fill('{', 15, (place) => `"\\u0041${code(place)}":1`, '}'),
    constructors: list('{"constructor":1}'),
    'texts that look like members': list('"__proto__"          '),
  }
  await holdNoLonger(t, {
    ...kindsOf(refused, (body) => patch(body, 400)),
    ...kindsOf(tooLarge, (body) => patch(body, 413)),
    'long fractions': patch(list('0.1000000000000000055511151231257827'), 200),
  })
})

t.test('no document holds it much longer when it is read', async (t) => {
  const units = {
    ones: '1',
    'empty lists': '[]',
    'empty objects': '{}',
    'objects of one member': '{"":0}',
    'lists in lists': '[[[[[]]]]]',
  }
  const reads: Record<string, Sent> = {}
  for (const [name, unit] of Object.entries(units)) {
    const { access_token } = await home.newcomer()
    const body = { a: Array.from({ length: 16_000 / (unit.length + 1) }, () => JSON.parse(unit) as unknown) }
    await home.call('PATCH', '/v1/session/data', { token: access_token, body })
    reads[name] = ['GET', '/v1/session/data', { token: access_token }, 200]
  }
  await holdNoLonger(t, reads)
})

t.test('no other body holds it much longer', async (t) => {
  const kinds: Record<string, Sent> = {}
  for (const path of ['/v1/register', '/v1/login', '/v1/refresh', '/v1/logout', '/v1/password']) {
    const bodies = {
      'unknown members': members,
      'a list': `[${list('{}')}]`,
      'too large, as deep as may be': nested(61, '1e999'),
    }
    for (const [name, body] of Object.entries(bodies)) kinds[`${path}: ${name}`] = ['POST', path, { token, body }, 400]
  }
  const marks = '\u0345\u0334'
  const passwords = {
    ligatures: '\ufdfa'.repeat(10_000),
    'marks out of order': `a${marks.repeat(7000)}`,
    'marks out of order, as many as are looked at': `a${marks.repeat(1023)}`,
    'marks in two runs': `a${'\u0345'.repeat(1000)}${'\u0334'.repeat(1000)}`,
    'letters that grow': 'İ'.repeat(15_000),
  }
  const addresses = {
    'marks out of order': `a@a${marks.repeat(490)}.com`,
    'short labels': `a@${'한.'.repeat(490)}com`,
    'a long label': `a@${'한'.repeat(990)}.com`,
    hyphens: `a@a${'-'.repeat(990)}.com`,
    'at signs': '@'.repeat(1000),
    dots: `${'a..'.repeat(300)}@example.org`,
    blanks: `a${' '.repeat(998)}b`,
  }
  const register = (email: string, password: string, status: number): Sent => [
    'POST',
    '/v1/register',
    { body: { email, password } },
    status,
  ]
  for (const [name, password] of Object.entries(passwords))
    kinds[`a password of ${name}`] = register('a@example.org', password, 422)
  for (const [name, email] of Object.entries(addresses))
    kinds[`an address of ${name}`] = register(email, 'seven red bicycles', 400)
  await holdNoLonger(t, kinds)
})

const times = (unit: string) => unit.repeat(HEADER / unit.length)

t.test('no access token and no cookie holds it much longer', async (t) => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const jws = (header: object, payload: object) => `${part(header)}.${part(payload)}.${'A'.repeat(86)}`
  const header = JSON.parse(Buffer.from(token.split('.')[0] as string, 'base64url').toString()) as object
  const many = Object.fromEntries(Array.from({ length: 250 }, (_, place) => [`a${place}`, place]))
  const tokens = {
    'a long token': times('a'),
    'a token of dots': times('.'),
    'almost a token': `${'a'.repeat(1360)}.${'a'.repeat(1360)}.${'a'.repeat(1360)} `,
    'a token of an unknown key': jws({ ...header, kid: 'nobody' }, {}),
    'a token with many members': jws({ ...header, ...many }, {}),
    'a token with a long list': jws(header, { amr: Array.from({ length: 1300 }, () => 1) }),
  }
  const cookies = {
    'many cookies': times('a=b;'),
    'cookies without names': times(';'),
    'our cookie in blanks': `__Host-refresh_token=${times(' ')}x`,
    'our cookie in escapes': `__Host-refresh_token=${times('%41')}`,
    'our cookie and many others': `__Host-refresh_token=x;${times('a=%41;')}`,
  }
  const refresh = (cookie: string, status: number): Sent => [
    'POST',
    '/v1/refresh',
    { headers: { cookie, 'sec-fetch-site': 'same-origin' } },
    status,
  ]
  await holdNoLonger(t, {
    ...kindsOf(tokens, (bearer) => ['GET', '/v1/verify', { token: bearer }, 401]),
    ...kindsOf(cookies, (cookie) => refresh(cookie, 401)),
    'our cookie again and again': refresh(times('__Host-refresh_token=x;'), 400),
  })
})

t.test('no other header and no URL holds it much longer', async (t) => {
  const patched = (headers: Record<string, string>, status: number): Sent => [
    'PATCH',
    '/v1/session/data',
    { token, body: {}, headers },
    status,
  ]
  const tags = {
    commas: ',',
    tags: '"a",',
    'weak tags': 'W/"a", ',
    'half tags': 'W/',
    quotes: '"',
    blanks: ' ',
    'tags without commas': '"a" ',
  }
  const parameters = { parameters: 'a=b;', semicolons: ';', 'blank parameters': '; ', 'escaped quotes': '\\"' }
  const paths = {
    slashes: times('/'),
    'broken escapes': `/v1/sessions/${times('%4')}`,
    'a long segment': `/v1/${times('a')}`,
  }
  const queries = { 'many parameters': times('a=%41&'), lists: times('a[]=&'), 'question marks': times('?') }
  await holdNoLonger(t, {
    ...kindsOf(tags, (unit) => patched({ 'if-match': `"b"${times(unit)}x` }, 412)),
    ...kindsOf(parameters, (unit) => patched({ 'content-type': `application/json;a="b";${times(unit)}` }, 200)),
    'many codings': patched({ 'content-encoding': times('identity,') }, 200),
    'many blank codings': patched({ 'content-encoding': `${times(' ')}x` }, 415),
    'a user agent of controls': ['GET', '/v1/me', { token, headers: { 'user-agent': times('\u0085') } }, 200],
    'an origin': [
      'POST',
      '/v1/refresh',
      { headers: { origin: `https://${times('a')}`, cookie: '__Host-refresh_token=x' } },
      403,
    ],
    ...kindsOf(paths, (path) => ['GET', path, { token }, 404]),
    'escapes in a path': ['GET', `/v1/sessions/${times('%41')}`, { token }, 405],
    ...kindsOf(queries, (query) => ['GET', `/v1/me?${query}`, { token }, 200]),
  })
})

t.test('X-Forwarded-For holds it no longer for naming nothing but proxies of ours', async (t) => {
  const behind = await openHome({ LOG_LEVEL: 'silent', TRUST_PROXY: '127.0.0.1,10.0.0.0/8,172.16.0.0/12,fd00::/8' })
  t.teardown(behind.close)
  const chains = {
    proxies: times('10.0.0.1,'),
    'proxies of IPv6': times('fd00::1,'),
    'proxies with ports': times('[fd00::1]:80,'),
    'proxies of a client': `192.0.2.1,${times('10.0.0.1,')}10.0.0.1`,
    'no addresses': times('a,'),
    commas: times(','),
    colons: times(':'),
    blanks: `${times(' ')}192.0.2.1`,
  }
  const sentBy = (chain: string): Sent => ['POST', '/v1/refresh', { headers: { 'x-forwarded-for': chain } }, 401]
  await holdNoLonger(t, kindsOf(chains, sentBy), sentBy(times('192.0.2.1,')), behind)
})
