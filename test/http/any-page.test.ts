import t, { type Test } from 'tap'
import { type Home, openHome } from '../support/home.ts'

const APP = 'https://app.example.org'
const STRANGER = 'https://docs.example.net'
const PUBLIC = ['/.well-known/jwks.json', '/openapi.json']
const TRACING = ['traceparent', 'tracestate', 'baggage']

const homes: Record<string, Home> = {
  'with no allowed origin': await openHome(),
  'with some': await openHome({ ALLOWED_ORIGINS: APP }),
}
for (const home of Object.values(homes)) t.teardown(home.close)

const preflight = (origin: string, method: string, headers: readonly string[] = []) => ({
  origin,
  'access-control-request-method': method,
  ...(headers.length > 0 ? { 'access-control-request-headers': headers.join(', ') } : {}),
})
const list = (value: unknown) => String(value).toLowerCase().split(/, */)

/** Fails unless a browser would let a page of any origin read this, and only without credentials. */
function isForAnyPage(t: Test, headers: Record<string, any>, name: string): void {
  t.equal(headers['access-control-allow-origin'], '*', name)
  t.notOk('access-control-allow-credentials' in headers, name)
  t.notOk('set-cookie' in headers, name)
}

for (const [how, home] of Object.entries(homes)) {
  t.test(`any page may read the public keys and the contract, ${how}`, async (t) => {
    for (const path of PUBLIC) {
      for (const origin of [STRANGER, APP, 'null', undefined]) {
        for (const method of ['GET', 'HEAD'] as const) {
          const { statusCode, headers } = await home.app.inject({
            method,
            url: path,
            headers: origin === undefined ? {} : { origin },
          })
          t.equal(statusCode, 200)
          isForAnyPage(t, headers, `${method} ${path} ${origin}`)
          t.equal(headers['cross-origin-resource-policy'], 'cross-origin')
          t.match(headers['cache-control'], /^public, max-age=\d+$/)
          t.notMatch(headers['vary'], /origin/i, 'one copy in a cache does for all')
        }
      }
    }
  })

  t.test(`a page that is traced may read them, too, ${how}`, async (t) => {
    for (const path of PUBLIC) {
      for (const origin of [STRANGER, APP]) {
        const headers = preflight(origin, 'GET', TRACING)
        const answer = await home.call('OPTIONS', path, { headers })
        t.equal(answer.status, 204)
        isForAnyPage(t, answer.headers, `${path} ${origin}`)
        t.strictSame(list(answer.headers['access-control-allow-methods']), ['get', 'head'])
        const allowed = list(answer.headers['access-control-allow-headers'])
        for (const name of TRACING) t.ok(allowed.includes(name), name)
      }
    }
  })

  t.test(`nothing else is for any page, ${how}`, async (t) => {
    const { access_token: token } = await home.newcomer()
    for (const path of ['/v1/me', '/v1/verify', '/livez', '/readyz', '/docs', '/docs/start.js', '/nowhere']) {
      for (const [method, headers] of [
        ['GET', { origin: STRANGER }],
        ['OPTIONS', preflight(STRANGER, 'GET', TRACING)],
      ] as const) {
        const answer = await home.call(method, path, { token, headers })
        t.notOk('access-control-allow-origin' in answer.headers, `${method} ${path}`)
        t.equal(answer.headers['cross-origin-resource-policy'], 'same-origin')
      }
    }
    for (const path of PUBLIC) {
      t.equal((await home.call('POST', path, { headers: { origin: STRANGER } })).headers['allow'], 'GET, HEAD')
    }
  })
}

t.test('a page of an allowed origin may send what tracing adds, on every route', async (t) => {
  const home = homes['with some'] as Home
  for (const [method, path] of [
    ['POST', '/v1/login'],
    ['PATCH', '/v1/session/data'],
    ['GET', '/v1/me'],
    ['HEAD', '/v1/me'],
  ] as const) {
    const headers = preflight(APP, method, [...TRACING, 'authorization', 'content-type', 'if-match'])
    const answer = await home.call('OPTIONS', path, { headers })
    t.equal(answer.status, 204)
    t.equal(answer.headers['access-control-allow-origin'], APP)
    t.ok(list(answer.headers['access-control-allow-methods']).includes(method.toLowerCase()), method)
    const allowed = list(answer.headers['access-control-allow-headers'])
    for (const name of list(headers['access-control-request-headers'])) t.ok(allowed.includes(name), name)
  }
})
