import type { AddressInfo } from 'node:net'
import t from 'tap'
import { openAdminHome } from '../support/admin.ts'
import { addClient, basic, formOf, sendForm } from '../support/oauth.ts'
import { sendRaw } from '../support/raw.ts'

// How a client sends a request: what is taken, and how the rest is refused, in the words of RFC 6749.

const home = await openAdminHome(t)
const client = await addClient(home)
const GRANT = { grant_type: 'client_credentials' }
const PATHS = ['/oauth/token', '/oauth/introspect', '/oauth/revoke']
const INVALID_CLIENT = {
  status: 401,
  headers: { 'www-authenticate': 'Basic realm="latchkey"', 'cache-control': 'no-store' },
  body: { error: 'invalid_client' },
}
const encoded = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
const refresh = (parameters: object) => sendForm(home, '/oauth/token', { grant_type: 'refresh_token', ...parameters })

t.test('id and secret may be encoded as in a form, RFC 6749 section 2.3.1', async (t) => {
  const { client_id: id, client_secret: secret } = client
  const every = (text: string) => text.replaceAll(/[^]/g, (each) => `%${each.charCodeAt(0).toString(16)}`)
  for (const text of [`${id}:${secret}`, `${every(id)}:${every(secret)}`, `${every(id).toUpperCase()}:${secret}`])
    for (const scheme of ['Basic', 'basic', 'BASIC', 'Basic  ']) {
      const authorization = encoded(text).replace('Basic', scheme)
      t.equal((await sendForm(home, '/oauth/token', GRANT, { headers: { authorization } })).status, 200, text)
    }
})

t.test('whatever is wrong with the credentials is invalid_client, and nothing is told of them', async (t) => {
  const { client_id: id, client_secret: secret } = client
  const wrong = [
    encoded(`${id}:`),
    encoded(`:${secret}`),
    encoded(`${id}${secret}`),
    encoded(`${id}:${secret}x`),
    encoded(`${id}:${secret.toLowerCase()}`),
    encoded(`${id}:%zz`),
    encoded(`${id}:${secret}:`),
    encoded(` ${id}:${secret}`),
    encoded(`${id.slice(7)}:${secret}`),
    encoded(`client.${'A'.repeat(22)}:${secret}`),
    encoded(`${id}\0:${secret}`),
    encoded(`${id}:${'x'.repeat(8000)}`),
    'Basic',
    'Basic ',
    'Basic ????',
    `Basic ${id}:${secret}`,
    `Bearer ${secret}`,
    `Digest username="${id}"`,
    '',
  ]
  for (const authorization of wrong)
    for (const path of PATHS)
      t.match(
        await sendForm(home, path, { ...GRANT, token: 'x' }, { headers: { authorization } }),
        INVALID_CLIENT,
        path,
      )
  t.notMatch(JSON.stringify(home.lines), secret)
  t.match(new Set(home.events('client.refused').map(({ cause }) => cause)), new Set(['unknown_client', 'wrong_secret']))
})

t.test('two Authorization headers are none, though one of them be right', async (t) => {
  const own = await home.app.listen({ host: '127.0.0.1', port: 0 })
  t.ok(own)
  const { port } = home.app.server.address() as AddressInfo
  const body = formOf({ ...GRANT, token: 'x' })
  const type = `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}`
  const right = `Authorization: ${basic(client)}`
  for (const other of [right, 'Authorization: Bearer x', 'Authorization: Basic eA=='])
    for (const lines of [`${right}\r\n${other}`, `${other}\r\n${right}`])
      for (const path of PATHS) {
        const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines}\r\n${type}\r\n\r\n`
        t.match((await sendRaw(port, [head, body])).text, /^HTTP\/1\.1 401 [^]*\{"error":"invalid_client"\}/)
      }
})

t.test('secrets in the query or in the form do not count', async (t) => {
  const { client_id, client_secret } = client
  const query = formOf({ client_id, client_secret, ...GRANT })
  t.match(await sendForm(home, `/oauth/token?${query}`, GRANT), INVALID_CLIENT)
  t.match(await sendForm(home, `/oauth/token?${query}`, ''), { status: 400, body: { error: 'invalid_request' } })
  t.match(await sendForm(home, '/oauth/token', { ...GRANT, client_id, client_secret }), INVALID_CLIENT)
  t.match(await sendForm(home, `/oauth/introspect?${query}&token=x`, { token: 'x' }), INVALID_CLIENT)
  const me = await home.newcomer()
  t.match(await sendForm(home, `/oauth/revoke?token=${me.refresh_token}`, ''), { status: 400 })
  t.match(await sendForm(home, `/oauth/token?refresh_token=${me.refresh_token}`, { grant_type: 'refresh_token' }), {
    status: 400,
    body: { error: 'invalid_request' },
  })
  t.equal((await refresh({ refresh_token: me.refresh_token })).status, 200)
  t.notMatch(JSON.stringify(home.lines), client_secret)
})

t.test('a parameter that is there twice is refused, and one without a value is none', async (t) => {
  const twice = ['grant_type=client_credentials&', 'scope=a&scope=b&', 'x=1&x=&', 'client_id=a&client_id=b&']
  for (const text of twice) {
    const answer = await sendForm(home, '/oauth/token', `${text}grant_type=client_credentials`, { client })
    t.match(answer, { status: 400, body: { error: 'invalid_request', error_description: /twice/ } }, text)
  }
  for (const path of ['/oauth/introspect', '/oauth/revoke'])
    t.match(await sendForm(home, path, 'token=a&token=b', { client }), {
      status: 400,
      body: { error: 'invalid_request' },
    })
  t.equal((await sendForm(home, '/oauth/token', { ...GRANT, scope: '', x: '' }, { client })).status, 200)
  t.match(await sendForm(home, '/oauth/token', { grant_type: '' }, { client }), {
    status: 400,
    body: { error: 'invalid_request' },
  })
})

t.test('another grant is said not to be there', async (t) => {
  for (const grant_type of ['authorization_code', 'password', 'CLIENT_CREDENTIALS', '__proto__', 'x'.repeat(1000)])
    t.strictSame((await sendForm(home, '/oauth/token', { grant_type }, { client })).body, {
      error: 'unsupported_grant_type',
    })
})

t.test('a body is a form and says so', async (t) => {
  const json = JSON.stringify({ ...GRANT, token: 'x' })
  const types = ['application/json', 'text/plain', 'multipart/form-data; boundary=x', 'none', 'application/x-www-form']
  for (const path of PATHS)
    for (const type of types) {
      const answer = await sendForm(home, path, json, { client, headers: { 'content-type': type } })
      t.match(answer, { status: 400, body: { error: 'invalid_request' } }, `${path} ${type}`)
    }
  const withCharset = { 'content-type': 'Application/X-WWW-Form-Urlencoded; charset=UTF-8' }
  t.equal((await sendForm(home, '/oauth/token', GRANT, { client, headers: withCharset })).status, 200)
  const zipped = { client, headers: { 'content-encoding': 'gzip' } }
  t.equal((await sendForm(home, '/oauth/token', GRANT, zipped)).status, 400)
})

t.test('a huge body is 413, and its client is judged first', async (t) => {
  const text = `token=${'x'.repeat(33_000)}`
  for (const path of PATHS) {
    t.match(await sendForm(home, path, text, { client }), { status: 413, body: { error: 'invalid_request' } }, path)
    const wrong = { client: { ...client, client_secret: 'x' } }
    t.match(await sendForm(home, path, text, wrong), INVALID_CLIENT, path)
  }
  t.match(await sendForm(home, '/oauth/introspect', { token: 'x'.repeat(9000) }, { client }), { status: 400 })
})

t.test('no method but POST', async (t) => {
  for (const path of PATHS)
    for (const method of ['GET', 'PUT', 'DELETE'])
      t.match(await home.call(method, path), { status: 405, headers: { allow: 'POST' } }, `${method} ${path}`)
})

t.test('wrong secrets count against the limit of the address, right ones against none', async (t) => {
  const at = await openAdminHome(t, { LIMIT_API: '3/1h', LIMIT_REFRESH: '2/1h' })
  const own = await addClient(at)
  const ask = (options: object) => sendForm(at, '/oauth/introspect', { token: 'x' }, options)
  const wrong = { client: { ...own, client_secret: 'wrong' } }
  for (let count = 0; count < 10; count += 1) t.equal((await ask({ client: own })).status, 200)
  for (const status of [401, 401, 401, 429, 429]) t.equal((await ask(wrong)).status, status)
  const refused = await ask(wrong)
  t.match(refused, { headers: { 'retry-after': /^\d+$/ }, body: { error: 'temporarily_unavailable' } })
  t.equal((await ask({})).status, 429)
  t.equal((await sendForm(at, '/oauth/revoke', { token: 'x' })).status, 429)
  t.equal((await ask({ client: own })).status, 200, 'the client goes on, from the same address')
  t.equal((await ask({ ...wrong, ip: '192.0.2.7' })).status, 401, 'and another address is counted apart')
  const statuses = []
  for (let count = 0; count < 3; count += 1) statuses.push((await sendForm(at, '/oauth/token', GRANT)).status)
  t.strictSame(statuses, [401, 401, 429], 'who shows no credentials counts as at /v1/refresh')
})

// ---- By a refresh token

t.test('a refresh token is traded by the rules of /v1/refresh', async (t) => {
  const me = await home.newcomer()
  const { refresh_token } = me
  const first = await refresh({ refresh_token, client_id: 'first-party' })
  t.equal(first.status, 200)
  t.strictSame(Object.keys(first.body).toSorted(), ['access_token', 'expires_in', 'refresh_token', 'token_type'])
  t.equal(
    (await refresh({ refresh_token })).body.refresh_token,
    first.body.refresh_token,
    'a lost answer is given again',
  )
  const other = await home.call('POST', '/v1/refresh', { body: { refresh_token } })
  t.equal(other.body.refresh_token, first.body.refresh_token)
  t.equal((await home.call('GET', '/v1/me', { token: first.body.access_token })).status, 200)
  t.notOk(first.headers['set-cookie'])
  await refresh({ refresh_token: first.body.refresh_token })
  home.clock.advance(11_000)
  t.match(await refresh({ refresh_token }), {
    status: 400,
    body: { error: 'invalid_grant', error_description: 'session_over: token_reused' },
  })
})

t.test('no refresh token gives more than a session has, and none is taken from another client', async (t) => {
  const me = await home.newcomer()
  const { refresh_token } = me
  const login = await home.call('POST', '/v1/login', {
    body: { email: me.email, password: me.password, transport: 'cookie' },
    headers: { 'sec-fetch-site': 'same-origin' },
  })
  const [inCookie = ''] = /(?<==)[^;]+/.exec(String(login.headers['set-cookie'])) ?? []
  const refused: [object, string][] = [
    [{ refresh_token, scope: 'admin' }, 'invalid_scope'],
    [{ refresh_token, resource: 'https://reports.example.org' }, 'invalid_target'],
    [{ refresh_token, resource: ['http://localhost:3000', 'x'] }, 'invalid_target'],
    [{ refresh_token, client_id: 'another' }, 'invalid_client'],
    [{ refresh_token, client_id: client.client_id }, 'invalid_client'],
    [{ refresh_token: inCookie }, 'invalid_grant'],
    [{ refresh_token: me.access_token }, 'invalid_grant'],
    [{ refresh_token: 'x' }, 'invalid_grant'],
    [{}, 'invalid_request'],
  ]
  for (const [parameters, error] of refused)
    t.match((await refresh(parameters)).body, { error }, JSON.stringify(parameters).slice(0, 80))
  const asClient = await sendForm(home, '/oauth/token', { grant_type: 'refresh_token', refresh_token }, { client })
  t.match(asClient, { status: 400, body: { error: 'invalid_grant' } })
  const spentBy = home.events('session.refreshed').filter(({ user_id }) => user_id === me.user.id)
  t.strictSame(spentBy, [], 'none of it has spent the token')
  t.equal((await refresh({ refresh_token, resource: 'http://localhost:3000' })).status, 200)
})

t.test('pages of an allowed origin may refresh, and any page may read what the service is', async (t) => {
  const APP = 'https://app.example.org'
  const at = await openAdminHome(t, { ALLOWED_ORIGINS: APP })
  const me = await at.newcomer()
  const headers = { origin: APP, 'access-control-request-method': 'POST' }
  t.match(await at.call('OPTIONS', '/oauth/token', { headers }), {
    status: 204,
    headers: { 'access-control-allow-origin': APP },
  })
  const asked = { grant_type: 'refresh_token', refresh_token: me.refresh_token }
  const answer = await sendForm(at, '/oauth/token', asked, { headers: { origin: APP } })
  t.match(answer, { status: 200, headers: { 'access-control-allow-origin': APP } })
  const metadata = await at.call('GET', '/.well-known/oauth-authorization-server', {
    headers: { origin: 'https://x.y' },
  })
  t.match(metadata, { status: 200, headers: { 'access-control-allow-origin': '*', 'cache-control': /^public/ } })
})
