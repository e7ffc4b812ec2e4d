import { once } from 'node:events'
import { cpSync, readFileSync } from 'node:fs'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { PAGE_HEADERS } from '../../examples/demo/page.ts'
import { freePort } from '../support/free-port.ts'
import { NO_LIMITS, TEST_SECRET } from '../support/env.ts'
import { type Balancer, startNginx } from '../support/nginx.ts'
import { startRedis } from '../support/redis.ts'
import { type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'

// The nginx.conf that compose.yaml mounts, on the real nginx, in front of two real instances.

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const PASSWORD = 'seven red bicycles in the rain'

type House = {
  readonly nginx: Balancer
  readonly instances: readonly Service[]
  /** What nginx has written down. */
  readonly logs: () => string
}

async function startHouse(t: Test, env: Record<string, string> = {}): Promise<House> {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const port = await freePort()
  const start = () =>
    startService({
      REDIS_URL: redis.url,
      AUTH_SECRET: TEST_SECRET,
      ISSUER: `http://localhost:${port}`,
      TRUST_PROXY: '127.0.0.1',
      ...NO_LIMITS,
      ...env,
    })
  const instances = await Promise.all([start(), start()])
  for (const instance of instances) t.teardown(instance.kill)
  let dir = ''
  const nginx = await startNginx(port, (folder) => nginxConf((dir = folder), port, instances))
  t.teardown(nginx.stop)
  const logs = () => ['access.log', 'error.log'].map((file) => readFileSync(join(dir, file), 'utf8')).join('')
  return { nginx, instances, logs }
}

/** The page as the image has it, with the packages that it imports. */
function layPage(dir: string): string {
  const place = join(dir, 'spa')
  cpSync(join(ROOT, 'examples/spa'), place, { recursive: true })
  cpSync(join(ROOT, 'packages/client/dist'), join(place, 'client'), { recursive: true })
  cpSync(join(ROOT, 'node_modules/uqr/dist/index.mjs'), join(place, 'qr/index.mjs'))
  return place
}

/** The file as it stands, with this machine's places in place of the container's. */
function nginxConf(dir: string, port: number, instances: readonly Service[]): string {
  const [one, two] = instances.map((instance) => instance.port)
  const places: [string, string][] = [
    [' /tmp/', ` ${dir}/`],
    ['latchkey-1:3000', `127.0.0.1:${one}`],
    ['latchkey-2:3000', `127.0.0.1:${two}`],
    ['172\\.28\\.0\\.11:3000', `127\\.0\\.0\\.1:${one}`],
    ['172\\.28\\.0\\.12:3000', `127\\.0\\.0\\.1:${two}`],
    ['listen 8080', `listen 127.0.0.1:${port}`],
    ['/srv/spa', layPage(dir)],
    ['/dev/stdout', `${dir}/access.log`],
    ['/dev/stderr', `${dir}/error.log`],
  ]
  const file = readFileSync(join(ROOT, 'nginx.conf'), 'utf8')
  return places.reduce((conf, [theirs, ours]) => {
    if (!conf.includes(theirs)) throw new Error(`nginx.conf has no ${theirs}`)
    return conf.replaceAll(theirs, ours)
  }, file)
}

type Sent = {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: object
  /** The client's own address, of 127.0.0.0/8. */
  readonly from?: string
}

/** A request with exactly this path and these headers. */
async function ask(port: number, path: string, { method = 'GET', headers = {}, body, from = '127.0.0.1' }: Sent = {}) {
  const sent = httpRequest({ host: '127.0.0.1', port, path, method, localAddress: from, agent: false, headers })
  if (body !== undefined) sent.setHeader('content-type', 'application/json')
  sent.end(body === undefined ? undefined : JSON.stringify(body))
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) }
}

/** What comes back for these bytes before the other side closes; fails when it does not close. */
async function say(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1').setTimeout(10_000, () => socket.destroy(new Error('still open')))
  socket.write(bytes)
  return text(socket)
}

const shared = await startHouse(t)

t.test('the page is served as the demo serves it, with its headers and types', async (t) => {
  const { nginx } = shared
  const types = {
    '/': 'text/html',
    '/reset-password': 'text/html',
    '/style.css': 'text/css',
    '/app.js': 'text/javascript',
    '/client/index.js': 'text/javascript',
    '/qr/index.mjs': 'text/javascript',
    '/icon.svg': 'image/svg+xml',
  }
  for (const [path, type] of Object.entries(types)) {
    const answer = await ask(nginx.port, path)
    t.equal(answer.status, 200, path)
    t.equal(answer.headers['content-type']?.split(';')[0], type, path)
    for (const [name, value] of Object.entries(PAGE_HEADERS)) t.equal(answer.headers[name], value, `${path}: ${name}`)
  }
})

t.test('the API is passed on in turn; an answer says which instance, not where it is', async (t) => {
  const { nginx, instances } = await startHouse(t)
  const seen = new Set<unknown>()
  for (let count = 0; count < 4; count++) {
    const answer = await ask(nginx.port, '/v1/me')
    t.equal(answer.status, 401)
    seen.add(answer.headers['x-instance'])
    for (const { port } of instances) t.notMatch(JSON.stringify(answer.headers), `${port}`)
  }
  t.strictSame(seen, new Set(['1', '2']))
  t.equal((await ask(nginx.port, '/.well-known/jwks.json')).status, 200)
  t.equal((await ask(nginx.port, '/openapi.json')).status, 200)
  t.equal((await ask(nginx.port, '/v1/me', { headers: { host: 'elsewhere.example' } })).status, 421)

  const [first, second] = instances
  await first?.kill()
  for (let count = 0; count < 4; count++)
    t.equal((await ask(nginx.port, '/v1/me')).headers['x-instance'], '2', 'the one that is left answers')
  await second?.kill()
  const away = await ask(nginx.port, '/v1/me')
  t.equal(away.status, 503)
  t.equal(away.headers['content-type'], 'application/problem+json')
  t.equal(away.headers['retry-after'], '1')
  t.equal(JSON.parse(away.body).code, 'busy')
})

t.test('docs, probes and every other file are not there, and nobody tells a version', async (t) => {
  const { nginx } = shared
  const inside = [
    '/docs',
    '/docs/start.js',
    '/livez',
    '/readyz',
    '/readyz/own',
    '/metrics',
    '/admin',
    '/admin/v1/users',
    '/demo/instances',
    '/v1',
    '/V1/me',
  ]
  const files = ['/../nginx.conf', '/%2e%2e/package.json', '/..%2fpackage.json', '/v1/../livez', '/v1/..%2f..%2flivez']
  for (const path of [...inside, ...files, '/missing.js', '/screenshots/', '/.git/config']) {
    const answer = await ask(nginx.port, path)
    t.ok([400, 401, 404].includes(answer.status ?? 0), `${path}: ${answer.status}`)
    t.notMatch(answer.body, /swagger|"ready"|dependencies|worker_processes/i, path)
  }
  for (const path of ['/', '/nowhere', '/v1/me', '/v1/nowhere']) {
    const { headers } = await ask(nginx.port, path)
    t.notMatch(headers.server ?? '', /\d/, path)
    t.equal(headers['x-powered-by'], undefined)
  }
})

t.test('an address claimed in a header opens no bucket of its own and fills nobody else’s', async (t) => {
  const { nginx, instances } = await startHouse(t, { LIMIT_LOGIN: '6/10m' })
  const body = { email: 'nobody@example.org', password: PASSWORD }
  const statuses = async (port: number, from: string) => {
    const all: unknown[] = []
    for (let count = 1; count <= 8; count++) {
      const claimed = `203.0.113.${count}`
      const headers = { 'x-forwarded-for': claimed, 'x-real-ip': claimed, forwarded: `for=${claimed}` }
      all.push((await ask(port, '/v1/login', { method: 'POST', body, headers, from })).status)
    }
    return all
  }
  const limited = [401, 401, 401, 401, 401, 401, 429, 429]
  t.strictSame(await statuses(nginx.port, '127.0.0.2'), limited, 'through nginx, over both instances')
  t.strictSame(await statuses(nginx.port, '127.0.0.3'), limited, 'another client begins at nothing')
  const { port = 0 } = instances[0] ?? {}
  t.strictSame(await statuses(port, '127.0.0.4'), limited, 'past nginx: who is no proxy of ours is not believed')
  const own = await ask(nginx.port, '/v1/login', { method: 'POST', body, from: '127.0.0.5' })
  t.equal(own.status, 401)
})

t.test('no token, password, cookie or query lands in a log', async (t) => {
  const { nginx, instances, logs } = await startHouse(t)
  const own = {
    'sec-fetch-site': 'same-origin',
    referer: 'http://localhost/?t=canary-referer',
    'x-canary': 'canary-header',
  }
  const post = (path: string, body: object, headers = {}) =>
    ask(nginx.port, path, { method: 'POST', body, headers: { ...own, ...headers } })
  const email = 'canary-address@example.org'
  const registered = await post('/v1/register', { email, password: PASSWORD, transport: 'cookie' })
  t.equal(registered.status, 201)
  const { access_token: access } = JSON.parse(registered.body)
  const cookie = registered.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
  const refresh = cookie.split('=')[1] ?? ''
  const authorization = `Bearer ${access}`
  await ask(nginx.port, `/v1/me?token=${access}&refresh_token=${refresh}`, { headers: { ...own, authorization } })
  await ask(nginx.port, `/nowhere?token=${access}`, { headers: { ...own, authorization, cookie } })
  await ask(nginx.port, `/?token=${refresh}`, { headers: { cookie } })
  t.equal((await post('/v1/login', { email, password: 'canary-password that is wrong' })).status, 401)
  t.equal((await post('/v1/refresh', {}, { cookie })).status, 200)
  for (const instance of instances) await instance.kill()
  t.equal((await ask(nginx.port, `/v1/me?token=${access}`, { headers: { ...own, authorization, cookie } })).status, 503)

  await eventually(() => logs().includes(' 503 '), { within: 10_000 })
  const written = [logs(), ...instances.flatMap(({ lines }) => lines())].join('\n')
  t.match(written, '/v1/login')
  for (const secret of [access, access.split('.')[2], refresh, PASSWORD, 'canary', '?'])
    t.notOk(written.includes(secret), `${secret.slice(0, 6)}… is written down`)
})

t.test('a request that could be read as two is refused and the connection closed', async (t) => {
  const { nginx } = shared
  const head = 'POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
  const smuggled = 'GET /v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const requests = {
    'a length and chunks': `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'two lengths': `${head}Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}${smuggled}`,
    'a chunk of no size': `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n${smuggled}`,
    'an encoding nobody knows': `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`,
  }
  for (const [name, bytes] of Object.entries(requests)) {
    const answer = await say(nginx.port, bytes)
    t.match(answer, /^HTTP\/1\.1 (400|501) /, name)
    t.equal(answer.match(/HTTP\/1\.1/g)?.length, 1, `${name}: one answer`)
  }
})
