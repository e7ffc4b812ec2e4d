import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { ADMIN, ADMIN_KEY, NO_LIMITS, TEST_SECRET } from '../support/env.ts'
import { freePort } from '../support/free-port.ts'
import { GATEWAYS } from '../support/gateways.ts'
import { startRedis } from '../support/redis.ts'
import { callAt, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'

// What deploy/gateways/ has: the real nginx, Caddy and HAProxy in front of an API, which hears of those only whom the service lets in.

const SAID = ['x-auth-subject', 'x-auth-session', 'x-auth-roles', 'x-auth-acr', 'x-auth-time']
const CLAIMED = Object.fromEntries(SAID.map((name) => [name, name === 'x-auth-roles' ? 'editor' : 'me']))

/** What the API was asked. */
interface Heard {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const heard: Heard[] = []
async function hear(request: IncomingMessage): Promise<string> {
  const { method, url, headers } = request
  heard.push({ method, url, headers, body: await text(request) })
  return 'an order'
}
const api = createServer((request, answer) => void hear(request).then((order) => answer.end(order)))
await once(api.listen(0, '127.0.0.1'), 'listening')
const redis = await startRedis()
const [port, adminPort] = [await freePort(), await freePort()]
const env = {
  REDIS_URL: redis.url,
  AUTH_SECRET: TEST_SECRET,
  ISSUER: `http://localhost:${port}`,
  PORT: `${port}`,
  ...NO_LIMITS,
  ...ADMIN,
  ADMIN_PORT: `${adminPort}`,
}
const service = await startService(env)
t.teardown(async () => {
  await service.kill()
  await redis.stop()
  api.close()
})

const PASSWORD = 'seven red bicycles in the rain'
let people = 0
const register = async () => {
  const body = { email: `behind-${(people += 1)}@example.org`, password: PASSWORD }
  return (await service.call('POST', '/v1/register', { body })).body
}
const admin = callAt(`http://127.0.0.1:${adminPort}`)

/** A request whose headers go out line by line. */
interface Sent {
  readonly method?: string
  readonly token?: string
  readonly lines?: readonly (readonly [name: string, value: string])[]
  readonly body?: string
}

async function ask(url: string, path: string, { method = 'GET', token, lines = [], body }: Sent = {}) {
  const own = token === undefined ? [] : [['authorization', `Bearer ${token}`] as const]
  const { host, hostname, port } = new URL(url)
  const length = body === undefined ? [] : [['content-length', `${Buffer.byteLength(body)}`] as const]
  const headers = [['host', host] as const, ...own, ...lines, ...length].flat()
  const sent = httpRequest({ hostname, port, path, method, agent: false, headers })
  sent.end(body)
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await text(answer) }
}

const ports = { latchkey: port, orders: (api.address() as AddressInfo).port }
const gateways = await Promise.all(
  Object.entries(GATEWAYS).map(async ([name, startGateway]) => ({ name, url: await startGateway(t, ports) })),
)

/** Asks, and says whether the API has heard of it. */
async function passes(url: string, path: string, sent: Sent = {}) {
  const before = heard.length
  const answer = await ask(url, path, sent)
  return { ...answer, heard: heard.slice(before) }
}

for (const { name, url } of gateways) {
  t.test(`${name} tells the API who it is, and not the token; no header can be forged`, async (t) => {
    const { access_token: token, user, session_id: session } = await register()
    for (const lines of [
      [],
      Object.entries(CLAIMED),
      Object.entries(CLAIMED).map(([n, v]) => [n.toUpperCase(), v] as const),
    ]) {
      const { status, heard } = await passes(url, '/orders?page=2', { token, lines })
      t.equal(status, 200)
      t.match(heard, [{ method: 'GET', url: '/orders?page=2' }])
      const { headers } = heard[0] as Heard
      t.equal(headers['x-auth-subject'], user.id)
      t.equal(headers['x-auth-session'], session)
      t.equal(headers['x-auth-acr'], 'aal1')
      t.match(headers['x-auth-time'], /^\d{10}$/)
      t.notOk(headers['x-auth-roles'], 'who has no role has none')
      t.notOk(headers.authorization)
    }
    const { heard } = await passes(url, '/orders', { method: 'POST', token, body: 'two apples' })
    t.match(heard, [{ method: 'POST', body: 'two apples' }])
  })

  t.test(
    `${name} lets through no header that some APIs read as one of the five, and none of the five is taken away`,
    async (t) => {
      const { access_token: token, user, session_id: session } = await register()
      const underscored = SAID.flatMap((said) => [
        said.replaceAll('-', '_'),
        said.replace('x-', 'x_'),
        said.replace('h-', 'h_'),
      ])
      const lines = [
        ['Connection', SAID.join(', ').toUpperCase()] as const,
        ['Connection', 'X-Auth-Session'] as const,
        ...underscored.map((said) => [said, 'editor'] as const),
      ]
      const { status, heard } = await passes(url, '/orders', { token, lines })
      t.equal(status, 200)
      const { headers } = heard[0] as Heard
      t.match(headers, { 'x-auth-subject': user.id, 'x-auth-session': session, 'x-auth-acr': 'aal1' })
      t.notMatch(headers.connection ?? '', /x-auth/i)
      t.strictSame(
        Object.keys(headers).filter((each) => each.includes('_')),
        [],
      )
    },
  )

  t.test(`${name} lets nobody in without a live token`, async (t) => {
    const none = await passes(url, '/orders', { lines: Object.entries(CLAIMED) })
    t.equal(none.status, 401)
    t.match(none.headers['www-authenticate'], /^Bearer/)
    const { access_token: token } = await register()
    for (const shown of ['x', `${token}x`, ''])
      t.match(await passes(url, '/orders', { token: shown }), { status: 401, heard: [] }, shown.slice(0, 9))
    const lines = [token, (await register()).access_token].map((each) => ['authorization', `Bearer ${each}`] as const)
    const two = await passes(url, '/orders', { lines })
    t.ok([400, 401].includes(two.status), `two tokens: ${two.status}`)
    t.strictSame(two.heard, [])
  })

  t.test(`${name} knows of a logout at the next request of one connection`, async (t) => {
    const { access_token: token } = await register()
    t.equal((await passes(url, '/orders', { token })).status, 200)
    t.equal((await service.call('POST', '/v1/logout', { token })).status, 204)
    t.match(await passes(url, '/orders', { token }), { status: 401, heard: [] })
  })

  t.test(`${name} guards a path by a role, in each spelling of it, and a 403 stays one`, async (t) => {
    const me = await register()
    const lines = Object.entries(CLAIMED)
    for (const path of [
      '/reports/2026',
      '/reports/2026?role=none',
      '/%72eports/2026',
      '//reports/2026',
      '/x/../reports/2026',
      '/./reports/2026',
      '/%2e/reports/2026',
      '/REPORTS/2026',
      '/reports',
    ]) {
      const { status, heard } = await passes(url, path, { token: me.access_token, lines })
      t.ok([400, 403].includes(status), `${path}: ${status}`)
      t.strictSame(heard, [], path)
    }
    for (const path of ['/reports\\2026', '/x\\..\\reports\\2026']) {
      const { heard } = await passes(url, path, { token: me.access_token, lines })
      for (const { url } of heard) t.notMatch(new URL(url as string, 'http://api').pathname, /^\/reports\//, path)
    }
    t.match(JSON.parse((await passes(url, '/reports/2026', { token: me.access_token })).body), { code: 'insufficient' })
    const give = { token: ADMIN_KEY, body: { roles: ['viewer', 'editor'] } }
    t.equal((await admin('PUT', `/admin/v1/users/${me.user.id}/roles`, give)).status, 204)
    t.equal((await passes(url, '/reports/2026', { token: me.access_token })).status, 401)
    const again = await service.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
    const { status, heard } = await passes(url, '/reports/2026', { token: again.body.access_token })
    t.equal(status, 200)
    t.match(heard, [{ headers: { 'x-auth-roles': 'viewer,editor' } }])
  })
}

t.test('while nobody knows, each gateway says 503 and when to come back', async (t) => {
  const { access_token: token } = await register()
  const unknown = async (when: string) => {
    const began = heard.length
    const asked = gateways.map(async ({ name, url }) => {
      const { status, headers } = await ask(url, '/orders', { token })
      t.equal(status, 503, `${name}, ${when}`)
      t.match(headers['retry-after'], /^\d+$/, `${name}, ${when}`)
    })
    await Promise.all(asked)
    t.equal(heard.length, began)
  }
  redis.freeze()
  await unknown('the store does not answer')
  redis.thaw()
  for (const { url } of gateways)
    await eventually(async () => (await ask(url, '/orders', { token })).status === 200, { within: 10_000 })
  service.freeze()
  await unknown('the service does not answer')
  await service.kill()
  await unknown('the service is gone')
})

t.test('the other files are such as their programs read, and overwrite each header', async (t) => {
  const read = (name: string) => readFileSync(`deploy/gateways/${name}`, 'utf8')
  const others = readdirSync('deploy/gateways').filter((name) => name.endsWith('.yaml'))
  t.strictSame(others, ['envoy.yaml', 'ingress-nginx.yaml', 'traefik.yaml'])
  for (const name of others) for (const said of SAID) t.match(read(name).toLowerCase(), said, `${name}: ${said}`)
  t.equal(parseAllDocuments(read('ingress-nginx.yaml')).length, 2)
  const { http } = parse(read('traefik.yaml'), { merge: true })
  for (const router of Object.values<any>(http.routers)) {
    for (const name of router.middlewares) t.ok(http.middlewares[name], name)
    t.ok(http.services[router.service])
  }
  t.match(http.middlewares['latchkey-editor'].forwardAuth, { address: /\?role=editor$/, authResponseHeaders: Array })
  const [
    {
      filter_chains: [chain],
    },
  ] = parse(read('envoy.yaml')).static_resources.listeners
  const names = chain.filters[0].typed_config.http_filters.map((filter: { name: string }) =>
    filter.name.split('.').at(-1),
  )
  t.strictSame(names, ['header_mutation', 'ext_authz', 'rbac', 'router'])
})
