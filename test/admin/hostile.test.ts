import { readFileSync } from 'node:fs'
import t from 'tap'
import { ADMIN_KEY } from '../support/env.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import { sendRaw, statusesOf } from '../support/raw.ts'
import { startRedis } from '../support/redis.ts'
import { makeWatched } from '../support/watched-store.ts'
import { readContract } from '../openapi/contract.ts'

// What is thrown at the operator's listener, by those without a key, and by those who have one.

const redis = await startRedis()
t.teardown(redis.stop)
const STORES = { LMDB: {}, Redis: { REDIS_URL: redis.url } }

/** Below /admin, as the router reads them, whether something is there or not. */
const INSIDE = [
  '/admin',
  '/admin/',
  '/admin//',
  '/admin?x=/v1',
  '/admin/v1/users/',
  '/admin/v1/users//roles',
  '/admin//v1/users',
  '/admin/../v1/users',
  '/admin/./v1/users',
  '/admin/v1/users;x=1',
  '/%61dmin/v1/users',
  '/%61%64%6d%69%6e',
  '/admin%2fv1%2fusers',
  '/admin/v1/users/%2e%2e',
  '/admin/v1/users/%00',
  '/admin/v1/users/..%2f..%2flivez',
  '/admin/V1/USERS',
]
/** They look like it, and lead nowhere; nor do those that cannot be read. */
const NOWHERE = [
  '//admin/v1/users',
  '/Admin/v1/users',
  '/ADMIN',
  '/admin;/v1/users',
  '/administrator',
  '/./admin/v1/users',
  '/livez/../admin/v1/users',
  '/\\admin',
  '/%2561dmin',
  '/admin/v1/users/%zz',
  '/admin/v1/users/%ff',
  `/admin/v1/users/${'x'.repeat(600)}`,
]
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY']

async function inTurn<T, R>(things: readonly T[], act: (thing: T) => Promise<R[]>): Promise<R[]> {
  const results: R[] = []
  for (const thing of things) results.push(...(await act(thing)))
  return results
}

async function listen({ adminApp }: AdminHome): Promise<number> {
  await adminApp.listen({ host: '127.0.0.1', port: 0 })
  return (adminApp.server.address() as { port: number }).port
}

/** The statuses of requests that are sent on one connection, one after the other, each with these lines of header. */
async function statusesTo(port: number, targets: readonly string[], lines: readonly string[] = []): Promise<number[]> {
  const requests = targets.map((target, place) => {
    const close = place === targets.length - 1 ? ['Connection: close'] : []
    return `${[`${target} HTTP/1.1`, 'Host: x', ...lines, ...close].join('\r\n')}\r\n\r\n`
  })
  return statusesOf(await sendRaw(port, [Buffer.from(requests.join(''), 'latin1')], { within: 20_000 }))
}

t.test('by no method and in no spelling does anybody without a key learn what is below /admin', async (t) => {
  const home = await openAdminHome(t)
  const { access_token } = await home.newcomer()
  const port = await listen(home)
  const users = [`Authorization: Bearer ${access_token}`]
  const wrong = [[], users, ['Authorization: Bearer x'], ['Authorization: Basic eDp4']]
  for (const method of METHODS)
    for (const lines of method === 'GET' ? wrong : [users]) {
      const inside = await statusesTo(
        port,
        INSIDE.map((path) => `${method} ${path}`),
        lines,
      )
      t.strictSame(
        inside,
        INSIDE.map(() => 401),
        `${method}, ${lines.join()}`,
      )
      const nowhere = await statusesTo(
        port,
        NOWHERE.map((path) => `${method} ${path}`),
        lines,
      )
      t.ok(nowhere.length === NOWHERE.length && nowhere.every((status) => [401, 404].includes(status)), nowhere.join())
    }
  t.strictSame(
    await statusesTo(port, [`GET http://x/admin/v1/users`, 'OPTIONS *']),
    [401, 404],
    'other forms of a target',
  )
})

t.test('what nobody gets without a key is not there with one either, but for the routes themselves', async (t) => {
  const home = await openAdminHome(t)
  const port = await listen(home)
  const key = [`Authorization: Bearer ${ADMIN_KEY}`]
  const all = await statusesTo(
    port,
    [...INSIDE, ...NOWHERE].map((path) => `GET ${path}`),
    key,
  )
  const there = [...INSIDE, ...NOWHERE].filter((_, place) => all[place] !== 404)
  t.strictSame(there, ['/%61dmin/v1/users'])
})

t.test('every route of the operator asks for a key, and records who asks', async (t) => {
  const home = await openAdminHome(t)
  const { access_token, user } = await home.newcomer()
  const guarded = home.adminApp.routes.filter(({ url }) => url.startsWith('/admin'))
  t.ok(guarded.length > 8)
  for (const { method, url } of guarded) {
    const path = url.replace(':id', user.id)
    const before = home.events('operator.refused').length
    const none = await home.admin(method, path, { headers: { authorization: '' } })
    t.match(none, {
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="latchkey"' },
      body: { code: 'no_token' },
    })
    const users = await home.admin(method, path, { token: access_token })
    t.match(users, { status: 401, headers: { 'www-authenticate': /invalid_token/ }, body: { code: 'token_invalid' } })
    t.match(home.events('operator.refused').slice(before), [{ ip: '127.0.0.1', request_id: String }])
    await home.admin(method, path.replace(user.id, 'nobody'))
    t.match(home.events('operator.called').slice(-1), [{ by: 'ops', route: `${method} ${url}`, ip: '127.0.0.1' }])
  }
  t.equal((await home.admin('GET', `/admin/v1/users/${user.id}`)).status, 200, 'nothing was done')
})

t.test('two Authorization headers are none, and a key is not taken from elsewhere', async (t) => {
  const home = await openAdminHome(t)
  const port = await listen(home)
  const right = `Authorization: Bearer ${ADMIN_KEY}`
  const tries = [
    [right, right],
    [right, 'authorization: Bearer x'],
    ['authorization: Bearer x', right],
    [`Authorization: Bearer ${ADMIN_KEY}, Bearer ${ADMIN_KEY}`],
    [`Proxy-Authorization: Bearer ${ADMIN_KEY}`],
    [`X-Api-Key: ${ADMIN_KEY}`],
    [`Cookie: authorization=${ADMIN_KEY}`],
    [`Authorization: ${ADMIN_KEY}`],
  ]
  for (const lines of tries) t.strictSame(await statusesTo(port, ['GET /admin/v1/users'], lines), [401], lines.join())
  t.strictSame(await statusesTo(port, [`GET /admin/v1/users?access_token=${ADMIN_KEY}`]), [401])
  t.strictSame(await statusesTo(port, ['GET /admin/v1/users'], [right]), [200])
  t.notMatch(JSON.stringify(home.lines), ADMIN_KEY)
})

t.test('the public port knows nothing of the operator, nor the operator’s of the public', async (t) => {
  const home = await openAdminHome(t)
  const { access_token: token } = await home.newcomer()
  for (const { url } of home.adminApp.routes.filter((route) => !/^\/(livez|readyz|openapi)/.test(route.url)))
    t.equal((await home.call('GET', url, { token: ADMIN_KEY })).status, 404, url)
  for (const path of ['/admin', '/metrics', '/%61dmin/v1/users'])
    t.equal((await home.call('GET', path, { token: ADMIN_KEY })).status, 404, path)
  for (const { method, url } of home.app.routes.filter((route) => route.url.startsWith('/v1')))
    t.equal((await home.admin(method, url, { token, ip: '127.0.0.9' })).status, 404, url)
})

t.test('whoever the operator says to act for is written down as text, and no more of it than fits', async (t) => {
  const home = await openAdminHome(t)
  const port = await listen(home)
  const key = `Authorization: Bearer ${ADMIN_KEY}`
  const said = async (...lines: string[]) => {
    const before = home.events('operator.called').length
    t.strictSame(await statusesTo(port, ['GET /admin/v1/users'], [key, ...lines]), [200])
    const [called] = home.events('operator.called').slice(before)
    return called?.['actor']
  }
  t.equal(await said('X-Actor: ada@example.org'), 'ada@example.org')
  t.equal(await said('X-Actor: '), undefined)
  t.equal((await said(`X-Actor: ${'x'.repeat(10_240)}`)).length, 256)
  const turned = Buffer.from('\u202Eada\u2028\u0085').toString('latin1')
  t.equal(await said(`X-Actor: ${turned}`), 'ada', 'nothing that turns or breaks a line')
  t.equal(await said('X-Actor: ada', 'X-Actor: eve'), 'ada, eve', 'of two nobody is hidden')
  const broken = await sendRaw(port, [`GET /admin/v1/users HTTP/1.1\r\nHost: x\r\n${key}\r\nX-Actor: a\u0000b\r\n\r\n`])
  t.strictSame(statusesOf(broken), [400])
})

const FIELDS = (
  'id user_id sub email email_key email_verified verified password password_hash generation sessions known_addresses created_at ' +
  'last_login_at locale disabled at by actor role is_admin admin scope factors acr amr auth_time gen kind toString'
).split(' ')

t.test('no field can be set that is not of the request', async (t) => {
  const home = await openAdminHome(t)
  const me = await home.newcomer()
  const at = `/admin/v1/users/${me.user.id}`
  const before = (await home.admin('GET', at)).body
  const bodies = { roles: { roles: ['editor'] }, disabled: { reason: 'x' } }
  for (const field of FIELDS) {
    for (const [path, body] of Object.entries(bodies)) {
      const answer = await home.admin('PUT', `${at}/${path}`, { body: { ...body, [field]: true } })
      t.match(answer, { status: 400, body: { code: 'bad_request', errors: [{ path: field }] } }, `${path} ${field}`)
    }
  }
  for (const body of [
    '{"roles":[],"__proto__":{"a":1}}',
    '{"roles":["a"],"roles":["b"]}',
    '{"constructor":{"prototype":{}}}',
  ])
    t.equal((await home.admin('PUT', `${at}/roles`, { body })).status, 400, body)
  t.strictSame((await home.admin('GET', at)).body, before)
  const { access_token: token } = me
  // A person's own fields are nobody's roles.
  const own = { roles: ['admin'], app: { plan: 'pro' }, disabled: null, email_verified: true }
  t.equal((await home.call('PATCH', '/v1/me/preferences', { token, body: own })).status, 200)
  t.equal((await home.call('PATCH', '/v1/session/data', { token, body: own })).status, 200)
  for (const field of FIELDS)
    t.equal(
      (await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token, [field]: true } })).status,
      400,
    )
  t.strictSame((await home.admin('GET', at)).body, before)
  t.equal((await home.call('GET', '/v1/verify?role=admin', { token })).status, 403)
})

t.test('what services are told of a user is counted in bytes, and is JSON that everybody reads alike', async (t) => {
  const home = await openAdminHome(t)
  const me = await home.newcomer()
  const put = (body: unknown) => home.admin('PUT', `/admin/v1/users/${me.user.id}/app`, { body })
  const deep = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
  const [ascii, hangul] = ['x'.repeat(1024 - 8), `${'한'.repeat(338)}xx`]
  t.equal(Buffer.byteLength(JSON.stringify({ a: hangul })), 1024)
  for (const body of [{ a: ascii }, { a: hangul }, deep(64), '{"a":"\\u0000\\ud83d\\ude00"}', { toString: 1, '': [] }])
    t.equal((await put(body)).status, 204, JSON.stringify(body).slice(0, 40))
  for (const body of [{ a: `${ascii}x` }, { a: `${hangul}x` }])
    t.match(await put(body), { status: 413, body: { code: 'too_large' } })
  t.equal((await put(`{"a":"${'x'.repeat(40_000)}"}`)).status, 413)
  for (const body of [
    deep(65),
    deep(5000),
    '{"__proto__":{"admin":true}}',
    '{"a":{"__proto__":1}}',
    '{"constructor":{"prototype":{"admin":true}}}',
    '{"a":1,"a":2}',
    '{"a":9007199254740993}',
    '{"a":1e400}',
    '{"a":\u00001}',
  ])
    t.match(await put(body), { status: 400, body: { code: 'bad_request' } }, body.slice(0, 40))
  t.strictSame((await home.admin('GET', `/admin/v1/users/${me.user.id}`)).body.app, { toString: 1, '': [] })
  t.notOk('admin' in {})
})

t.test('a role is asked for as it was given, and no other way', async (t) => {
  const home = await openAdminHome(t)
  const me = await home.newcomer()
  const put = (roles: unknown) => home.admin('PUT', `/admin/v1/users/${me.user.id}/roles`, { body: { roles } })
  const odd = [
    'a,b',
    'a b',
    'a\n',
    'é',
    '한',
    'a/b',
    'a"',
    '*',
    'a'.repeat(65),
    '',
    null,
    1,
    {},
    ['a'],
    'a\u0000',
    'Ａ',
  ]
  for (const role of odd) t.equal((await put([role])).status, 400, JSON.stringify(role))
  const most = Array.from({ length: 50 }, (_, place) => `${place}`.padEnd(64, ':'))
  t.equal((await put([...most, 'one-more'])).status, 400)
  t.equal((await put(most)).status, 204)
  t.equal((await put(['__proto__', 'constructor', 'a', 'a', 'A'])).status, 204)
  const { roles } = (await home.admin('GET', `/admin/v1/users/${me.user.id}`)).body
  t.strictSame(roles, ['__proto__', 'constructor', 'a', 'A'])
  const { access_token: token } = (
    await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
  ).body
  const verify = async (query: string) => (await home.call('GET', `/v1/verify?${query}`, { token })).status
  t.equal(await verify('role=__proto__&role=constructor&role=a&role=A'), 204)
  t.equal(await verify('role=a&role=toString'), 403)
  t.equal(await verify('role%5B%5D=b'), 204, 'another parameter')
  t.equal(await verify(most.map((role) => `role=${role}`).join('&')), 403)
  t.equal(await verify([...most, 'a'].map((role) => `role=${role}`).join('&')), 400)
})

for (const [store, env] of Object.entries(STORES)) {
  t.test(`a cursor that is none begins a walk anew, or is refused, on ${store}`, async (t) => {
    const home = await openAdminHome(t, env)
    const people = [await home.newcomer(), await home.newcomer()]
    const bytes = (...codes: number[]) => Buffer.from(codes).toString('base64url')
    const odd = ['', 'x', '0', '-1', '../..', '%00', '%0d%0a', 'a%20b', '*', '{}', 'null', '__proto__', '%F0%9F%98%80']
    const ofRedis = ['0.0', '999999.99999999999999999999', '0.-1'].map((place) => `AAAAAAAAAAAAAAAA.${place}`)
    const cursors = [
      ...odd,
      bytes(0),
      bytes(255, 254),
      bytes(0xed, 0xa0, 0x80),
      bytes(...Array.from({ length: 190 }, () => 255)),
      ...[...ofRedis, '{nobody}:user'].map((text) => Buffer.from(text).toString('base64url')),
    ]
    for (const cursor of cursors)
      for (const path of ['/admin/v1/users?limit=3&', '/admin/v1/export?']) {
        const answer = await home.admin('GET', `${path}cursor=${cursor}`)
        t.ok([200, 400].includes(answer.status), `${path} ${cursor}: ${answer.status}`)
      }
    for (const query of [
      `cursor=${'x'.repeat(257)}`,
      'cursor=a&cursor=b',
      'limit=1e2',
      'limit=-1',
      'limit=1&limit=2',
      'limit=',
    ])
      t.equal((await home.admin('GET', `/admin/v1/users?${query}`)).status, 400, query)
    const { body } = await home.admin('GET', '/admin/v1/users?cursor=x&limit=999')
    if (store === 'Redis') t.ok(people.every(({ user }) => body.users.some(({ id }: { id: string }) => id === user.id)))
  })

  t.test(`an id with any odd character is nobody's, on ${store}`, async (t) => {
    const home = await openAdminHome(t, env)
    const { user } = await home.newcomer()
    const odd = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)).filter(
      (char) => !/[\w-]/.test(char),
    )
    const nasty = [`${user.id}}:user`, `{${user.id}}`, `${user.id}\u0000`, `${user.id}/`, '__proto__', 'x'.repeat(500)]
    const ids = [...odd.map((char) => `${user.id}${char}b`), 'é', '한', '\u{1F600}', 'x'.repeat(65), ' ', '%', ...nasty]
    const ask = async (method: string, url: string, id: string) => {
      const body = url.endsWith('roles') ? { roles: [] } : method === 'PUT' ? {} : undefined
      const path = url.replace(':id', encodeURIComponent(id))
      const { status } = await home.admin(method, path, body === undefined ? {} : { body })
      return status === 404 ? [] : [`${method} ${path}: ${status}`]
    }
    const routes = home.adminApp.routes.filter(({ url }) => url.includes('/users/:id'))
    const answers = [
      ...(await inTurn(ids, (id) => ask('GET', '/admin/v1/users/:id', id))),
      ...(await inTurn(routes, ({ method, url }) => inTurn(nasty, (id) => ask(method, url, id)))),
    ]
    t.strictSame(answers.flat(), [])
    t.match((await home.admin('GET', `/admin/v1/users/${user.id}`)).body, { id: user.id, sessions: 1 })
  })
}

t.test('whatever breaks inside is a 500 that tells nothing, and the listener goes on', async (t) => {
  const watched = makeWatched()
  const home = await openAdminHome(t, {}, { store: watched.around })
  const { user } = await home.newcomer()
  watched.watch = async () => {
    throw new TypeError(`broken at {${user.id}}:user`)
  }
  for (const { method, url } of home.adminApp.routes.filter((route) => route.url.includes('/users/:id'))) {
    const body = url.endsWith('roles') ? { roles: [] } : method === 'PUT' ? {} : undefined
    const answer = await home.admin(method, url.replace(':id', user.id), body === undefined ? {} : { body })
    t.match(answer, {
      status: 500,
      headers: { 'content-type': 'application/problem+json' },
      body: { code: 'internal' },
    })
    t.notMatch(JSON.stringify(answer.body), /broken|TypeError|:user/)
  }
  watched.watch = null
  t.equal((await home.admin('GET', `/admin/v1/users/${user.id}`)).status, 200)
})

t.test('the operator is answered what openapi/admin.json says, and nothing more', async (t) => {
  const contract = readContract(JSON.parse(readFileSync('openapi/admin.json', 'utf8')))
  const home = await openAdminHome(t)
  const { user } = await home.newcomer()
  const at = `/admin/v1/users/${user.id}`
  const calls: [string, string, object?][] = [
    ['PUT', `${at}/roles`, { roles: ['editor'] }],
    ['PUT', `${at}/roles`, { roles: 1 }],
    ['PUT', `${at}/app`, { plan: 'pro' }],
    ['PUT', `${at}/app`, { a: 'x'.repeat(1024) }],
    ['GET', at],
    ['GET', `${at}/sessions`],
    ['PUT', `${at}/disabled`, { reason: 'fraud' }],
    ['GET', '/admin/v1/users'],
    ['GET', '/admin/v1/users?limit=0'],
    ['DELETE', `${at}/disabled`],
    ['DELETE', `${at}/sessions`],
    ['GET', `${at}x`],
    ['DELETE', at],
  ]
  for (const [method, path, body] of calls) {
    const answer = await home.admin(method, path, body === undefined ? {} : { body })
    const operation = contract.find(method, path.split('?')[0] ?? '')
    if (operation === undefined) throw new Error(`${method} ${path} is not documented`)
    t.strictSame(contract.complaints(operation, answer), [], `${method} ${path}: ${answer.status}`)
  }
})

t.test('what the operator’s deeds leave in the store vanishes by itself', async (t) => {
  const own = await startRedis()
  t.teardown(own.stop)
  const home = await openAdminHome(t, { REDIS_URL: own.url })
  const lasting = async () => {
    const names = (await own.cli('KEYS', '*')).split('\n').filter((name) => name !== '')
    const lives = await Promise.all(names.map((name) => own.cli('PTTL', name)))
    return names.filter((_, place) => Number(lives[place]) === -1).toSorted()
  }
  const before = await lasting()
  const me = await home.newcomer()
  const at = `/admin/v1/users/${me.user.id}`
  await home.admin('PUT', `${at}/roles`, { body: { roles: ['editor'] } })
  await home.admin('PUT', `${at}/app`, { body: { plan: 'pro' } })
  await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
  await home.admin('PUT', `${at}/disabled`)
  await home.admin('DELETE', `${at}/disabled`)
  await home.admin('DELETE', `${at}/sessions`)
  await home.admin('DELETE', at)
  t.strictSame(await lasting(), before)
})
