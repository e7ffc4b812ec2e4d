import { METHODS } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { openHome } from '../support/home.ts'
import { sendRaw, statusesOf } from '../support/raw.ts'

// A gateway asks with the method, the path and the body of the request that it asks about, or with some of them.

const APP = 'https://app.example.org'
const home = await openHome({ ALLOWED_ORIGINS: APP })
t.teardown(home.close)
const me = await home.newcomer()
await home.app.listen({ host: '127.0.0.1', port: 0 })
const { port } = home.app.server.address() as AddressInfo

const PATHS = ['/v1/verify', '/v1/verify/', '/v1/verify/v1/logout', '/v1/verify/a/%2e%2e/%zz/%00', '/v1/verify?x=/']
const methods = METHODS.filter((method) => method !== 'CONNECT' && method !== 'HEAD') // the one never reaches a route, the other has no body

/** What `GET /v1/verify` says: all of it but the date. */
const said = async (token?: string) => {
  const { status, headers, body } = await home.call('GET', '/v1/verify', token === undefined ? {} : { token })
  return { status, headers: { ...headers, date: '' }, body }
}

t.test('every method, at every path below, is answered as GET /v1/verify is', async (t) => {
  const spent = await home.newcomer()
  await home.call('POST', '/v1/logout', { token: spent.access_token })
  for (const token of [me.access_token, spent.access_token, 'garbage', undefined]) {
    const wanted = await said(token)
    for (const method of methods)
      for (const path of PATHS) {
        const answer = await home.call(method, path, token === undefined ? {} : { token })
        const got = { ...answer, headers: { ...answer.headers, date: '' } }
        t.strictSame(got, wanted, `${method} ${path}`)
      }
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    for (const url of PATHS) {
      const { statusCode, payload } = await home.app.inject({ method: 'HEAD', url, headers })
      t.match({ statusCode, payload }, { statusCode: wanted.status, payload: '' }, `HEAD ${url}`)
    }
  }
  t.equal((await home.call('GET', '/v1/me', { token: me.access_token })).status, 200, 'nobody was logged out')
})

t.test('what only resembles the path is not there, and no path beside it lets anybody in', async (t) => {
  for (const path of ['/v1/verifyx', '/v1/verify%2f', '/v1/verify;x', '/v1/Verify', '/v1/verif', '/x/v1/verify'])
    for (const method of ['GET', 'POST', 'OPTIONS'])
      t.equal((await home.call(method, path, { token: me.access_token })).status, 404, `${method} ${path}`)
})

t.test('a demand counts whatever the method and the path', async (t) => {
  for (const path of ['/v1/verify?role=editor', '/v1/verify/orders?acr=aal2', '/v1/verify/?max_age=0']) {
    home.clock.advance(1)
    t.match(await home.call('POST', path, { token: me.access_token }), { status: 403, body: { code: 'insufficient' } })
  }
  t.match(await home.call('PUT', '/v1/verify/x?acr=x', { token: me.access_token }), { status: 400 })
})

t.test('a preflight is judged as any request: its 204 would be a yes to the gateway', async (t) => {
  for (const path of ['/v1/verify', '/v1/verify/orders'])
    for (const origin of [APP, 'https://evil.example']) {
      const headers = { origin, 'access-control-request-method': 'GET' }
      const answer = await home.call('OPTIONS', path, { headers })
      t.match(answer, { status: 401, body: { code: 'no_token' } }, `${origin} ${path}`)
      t.notOk(answer.headers['access-control-allow-methods'])
    }
  const { headers } = await home.call('GET', '/v1/verify', { headers: { origin: APP } })
  t.equal(headers['access-control-allow-origin'], APP, 'a page can read the 401 that the gateway hands on')
})

t.test('a body of any type is neither read nor judged, and the connection goes on', async (t) => {
  const bearer = `Authorization: Bearer ${me.access_token}\r\nHost: x\r\n`
  const bodies = [
    ['Content-Type: text/x-unheard-of', 'x'],
    ['Content-Type: none', 'x'],
    ['Content-Type: application/json', '{"a":1,"a":'],
    ['Content-Type: application/json\r\nContent-Encoding: gzip', 'x'],
    ['X: no type', 'x'.repeat(32 * 1024)],
    ['Content-Type: application/octet-stream', 'x'.repeat(300 * 1024)],
  ] as const
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND'])
    for (const [type, body] of bodies) {
      const asks = `${method} /v1/verify/orders HTTP/1.1\r\n${bearer}${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      const next = `GET /v1/verify HTTP/1.1\r\n${bearer}Connection: close\r\n\r\n`
      t.strictSame(statusesOf(await sendRaw(port, [asks, next])), [204, 204], `${method} ${type}`)
    }
  const chunks = `POST /v1/verify/x HTTP/1.1\r\n${bearer}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n`
  t.strictSame(statusesOf(await sendRaw(port, [chunks, '3\r\n{"a\r\n', '0\r\n\r\n'])), [204])
})

t.test('two Authorization headers are no token, whatever the method', async (t) => {
  const twice = `Authorization: Bearer ${me.access_token}\r\n`.repeat(2)
  for (const method of ['GET', 'POST', 'OPTIONS']) {
    const asks = `${method} /v1/verify/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${twice}\r\n`
    t.strictSame(statusesOf(await sendRaw(port, [asks])), [401], method)
  }
})

t.test('every X-Auth- header is on every 204', async (t) => {
  const { headers } = await home.call('POST', '/v1/verify/orders', { token: me.access_token })
  t.match(headers, { 'x-auth-subject': me.user.id, 'x-auth-session': me.session_id, 'x-auth-acr': 'aal1' })
  t.equal(headers['x-auth-roles'], '', 'also where there is nothing to say')
  t.match(headers['x-auth-time'], /^\d{10}$/)
})
