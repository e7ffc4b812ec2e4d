import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t, { type Test } from 'tap'
import { type Answer, type CallOptions, openHome } from '../support/home.ts'

const APP = 'https://app.example.org'
const home = await openHome({ ALLOWED_ORIGINS: APP })
t.teardown(home.close)
const me = await home.newcomer()
await home.app.listen({ host: '127.0.0.1', port: 0 })
const { port } = home.app.server.address() as AddressInfo

const open = ['/livez', '/readyz', '/readyz/own', '/.well-known/jwks.json', '/openapi.json', '/docs', '/docs/start.js']
const assets = ['/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js']
const guarded = ['/v1/verify', '/v1/me', '/v1/sessions', '/v1/session/data', '/v1/me/preferences']

/** What comes back over a socket for these requests, one after the other on one connection. */
async function send(...requests: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(requests.join(''))
  let text = ''
  socket.on('data', (chunk) => (text += chunk.toString('latin1')))
  await once(socket, 'close')
  return text
}

/** A request without a body. */
function request(method: string, path: string, headers: Record<string, string> = {}): string {
  const lines = Object.entries({ host: 'x', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

/** Fails unless HEAD says what GET says, in the same headers, and nothing more. */
async function isAsGet(t: Test, path: string, options: CallOptions = {}): Promise<Answer> {
  const get = await home.call('GET', path, options)
  const { token, headers = {} } = options
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const text = await send(request('HEAD', path, { connection: 'close', ...authorization, ...headers }))
  const [head = '', body] = text.split('\r\n\r\n')
  const [status = '', ...lines] = head.split('\r\n')
  const isOwn = (name: string) => !['date', 'connection', 'keep-alive'].includes(name)
  const names = lines.map((line) => line.slice(0, line.indexOf(':')).toLowerCase())
  const values = lines.map((line) => line.slice(line.indexOf(':') + 2))
  const said = Object.fromEntries(names.map((name, i) => [name, values[i]]).filter(([name]) => isOwn(name as string)))
  const wanted = Object.entries(get.headers).filter(([name]) => isOwn(name))
  t.equal(body, '', `${path}: no body`)
  t.equal(status.split(' ')[1], String(get.status), path)
  t.strictSame(said, Object.fromEntries(wanted.map(([name, value]) => [name, String(value)])), path)
  return get
}

t.test('HEAD says what GET says, in the same headers, and sends no body', async (t) => {
  for (const path of [...open, ...assets]) {
    const { status, headers } = await isAsGet(t, path)
    t.equal(status, 200)
    t.ok(Number(headers['content-length']) > 0, `${path} tells how long it is`)
  }
  for (const path of guarded) {
    const { status } = await isAsGet(t, path, { token: me.access_token })
    t.equal(status, path === '/v1/verify' ? 204 : 200)
    await isAsGet(t, `${path}?x=1`, { token: me.access_token, headers: { origin: APP } })
  }
  const { headers } = await isAsGet(t, '/v1/session/data', { token: me.access_token })
  t.match(headers['etag'], /^".+"$/)
})

t.test('a refusal of HEAD is that of GET, without a body', async (t) => {
  for (const path of guarded) {
    t.equal((await isAsGet(t, path)).status, 401)
    t.equal((await isAsGet(t, path, { token: 'garbage' })).status, 401)
    t.equal((await isAsGet(t, path, { headers: { origin: APP } })).status, 401)
  }
  for (const path of ['/', '/nowhere', '/v1/%zz', '/docs/package.json']) t.equal((await isAsGet(t, path)).status, 404)
  for (const path of ['/v1/login', '/v1/logout', '/v1/password']) {
    const { status, headers } = await isAsGet(t, path)
    t.match({ status, allow: headers['allow'] }, { status: 405, allow: 'POST' })
  }
  const one = `/v1/sessions/${me.session_id}`
  t.equal((await isAsGet(t, one, { token: me.access_token })).headers['allow'], 'DELETE')
  t.equal((await home.call('GET', '/v1/verify', { token: me.access_token })).status, 204, 'and nothing was deleted')
})

t.test('a 405 names HEAD beside GET', async (t) => {
  const allows = { '/v1/me': 'GET, HEAD, DELETE', '/v1/session/data': 'GET, HEAD, PATCH', '/docs': 'GET, HEAD' }
  for (const [path, allow] of Object.entries(allows)) {
    t.equal((await home.call('PUT', path)).headers['allow'], allow)
  }
})

t.test('a connection goes on after HEAD: the next answer is where a client looks for it', async (t) => {
  const close = { connection: 'close' }
  const text = await send(
    request('HEAD', '/docs/swagger-ui-bundle.js'),
    request('HEAD', '/v1/verify', { authorization: `Bearer ${me.access_token}` }),
    request('HEAD', '/v1/me'),
    request('HEAD', '/v1/login'),
    request('HEAD', '/v1/me', { 'content-length': '2', 'content-type': 'application/json' }) + '{}',
    request('GET', '/livez', close),
  )
  const parts = text.split('\r\n\r\n')
  t.strictSame(
    parts.slice(0, -1).map((head) => head.split(' ')[1]),
    ['200', '204', '401', '405', '401', '200'],
  )
  t.equal(parts.at(-1), '{"status":"ok"}')
})

t.test('the limit counts HEAD as it counts GET, and verify has none', async (t) => {
  const strict = await openHome({ LIMIT_API: '3/1m' })
  t.teardown(strict.close)
  const { access_token: token } = await strict.newcomer()
  const statuses = []
  for (const method of ['HEAD', 'GET', 'HEAD', 'HEAD', 'GET']) {
    const { statusCode } = await strict.app.inject({
      method: method as 'GET',
      url: '/v1/me',
      headers: { authorization: `Bearer ${token}` },
    })
    statuses.push(statusCode)
  }
  t.strictSame(statuses, [200, 200, 200, 429, 429])
  for (const url of ['/nowhere', '/v1/login'])
    t.equal((await strict.app.inject({ method: 'HEAD', url })).statusCode, 429)
  for (const url of open) t.equal((await strict.app.inject({ method: 'HEAD', url })).statusCode, 200)
})

t.test('the contract has no operation for HEAD', async (t) => {
  const { paths } = (await home.call('GET', '/openapi.json')).body
  for (const [path, operations] of Object.entries(paths)) t.notOk('head' in (operations as object), path)
  t.strictSame(
    home.app.routes.filter(({ method }) => method === 'HEAD'),
    [],
  )
})

t.test('HEAD of a store that is away is 503, as GET is', async (t) => {
  const away = await openHome()
  const { access_token: token } = await away.newcomer()
  await away.deps.store.close()
  t.teardown(() => away.app.close())
  for (const url of ['/readyz', '/v1/me', '/v1/verify']) {
    const headers = { authorization: `Bearer ${token}` }
    const { statusCode, payload } = await away.app.inject({ method: 'HEAD', url, headers })
    t.match({ statusCode, payload }, { statusCode: 503, payload: '' }, url)
  }
})
