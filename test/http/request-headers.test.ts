import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t, { type Test } from 'tap'
import { makeSecurityHeaders } from '../../src/http/plugins/response-headers.ts'
import { openHome } from '../support/home.ts'
import { eventually } from '../support/settle.ts'

const home = await openHome({ TRUST_PROXY: '127.0.0.1' })
t.teardown(home.close)
const me = await home.newcomer()
await home.app.listen({ host: '127.0.0.1', port: 0 })
const { port } = home.app.server.address() as AddressInfo

/** What comes back for these lines, byte for byte, until the connection is closed. */
async function send(...lines: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'))
  let text = ''
  socket.on('data', (chunk) => (text += chunk.toString('latin1')))
  await once(socket, 'close')
  return text
}

const GET = 'GET /v1/verify HTTP/1.1'
const BEARER = `Authorization: Bearer ${me.access_token}`
const CLOSE = 'Connection: close'
const SAME_SITE = 'Sec-Fetch-Site: same-origin'
/** More headers than Node keeps unless told, and fewer bytes than it takes. */
const many = Array.from({ length: 2500 }, () => 'a:')

function isProblem(t: Test, answer: string, status: number, code: string, name: string): void {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  t.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), name)
  t.match(head, /\r\ncontent-type: application\/problem\+json/i, name)
  for (const header of Object.keys(makeSecurityHeaders('max-age=1')))
    t.match(head, new RegExp(`\r\n${header}: `, 'i'), name)
  t.match(JSON.parse(body || 'null'), { status, code }, name)
}

t.test('a header counts however many stand before it', async (t) => {
  t.match(await send(GET, 'Host: x', CLOSE, ...many, BEARER), /^HTTP\/1\.1 204 /)
  const two = await send(GET, 'Host: x', CLOSE, BEARER, ...many, 'Authorization: Bearer garbage')
  isProblem(t, two, 401, 'token_invalid', 'a second Authorization')
  const cookie = `Cookie: __Host-refresh_token=${me.refresh_token}`
  const post = ['POST /v1/refresh HTTP/1.1', 'Host: x', CLOSE]
  const cookies = await send(...post, SAME_SITE, cookie, ...many, 'Cookie: __Host-refresh_token=x')
  isProblem(t, cookies, 400, 'bad_request', 'a second cookie')
  const foreign = await send(...post, cookie, ...many, 'Sec-Fetch-Site: cross-site', 'Origin: http://localhost:3000')
  isProblem(t, foreign, 403, 'cross_site', 'who sends it')
})

t.test('the address a proxy adds is the client’s, however many headers the client has sent', async (t) => {
  const before = home.events('origin.refused').length
  const sent = ['X-Forwarded-For: 198.51.100.66', ...many, 'X-Forwarded-For: 203.0.113.9']
  await send('POST /v1/refresh HTTP/1.1', 'Host: x', CLOSE, 'Cookie: __Host-refresh_token=x', ...sent)
  t.equal(home.events('origin.refused')[before]?.['ip'], '203.0.113.9')
})

t.test('HTTP/1.1 without a Host, with two, or with one that is none is refused as a problem and closed', async (t) => {
  const hosts: Record<string, string[]> = {
    none: [],
    two: ['Host: x', 'Host: x'],
    'two, one of them empty': ['Host: x', 'hOST:'],
    'two, far apart': ['Host: x', ...many, 'Host: y'],
    'a list': ['Host: a.example, b.example'],
    'a space': ['Host: a b'],
    'a path': ['Host: a.example/b'],
    'a user': ['Host: user@a.example'],
    'a query': ['Host: a.example?b'],
    'a fragment': ['Host: a.example#b'],
    'a scheme': ['Host: http://a.example'],
    'a port that is no number': ['Host: a.example:http'],
    'two ports': ['Host: a.example:1:2'],
    'an open bracket': ['Host: [::1'],
    'no address in brackets': ['Host: [a.example]'],
    'an address without brackets': ['Host: ::1'],
    'a broken percent': ['Host: a%zz'],
    'a quote': ['Host: "a"'],
    'a backslash': ['Host: a\\b'],
    'bytes beyond ASCII': ['Host: a\u00e9'],
  }
  for (const [name, lines] of Object.entries(hosts)) {
    for (const first of [GET, 'GET /livez HTTP/1.1', 'POST /nowhere HTTP/1.1', 'OPTIONS /v1/me HTTP/1.1']) {
      const answer = await send(first, ...lines, BEARER)
      isProblem(t, answer, 400, 'bad_request', `${first}: ${name}`)
      t.match(answer, /\r\nconnection: close\r\n/i)
    }
  }
})

t.test('a Host of every legal form is fine, and so is HTTP/1.0 without one', async (t) => {
  const hosts = [
    'localhost',
    'a.example',
    'A.Example.',
    'my_service:3000',
    'a.example:',
    '127.0.0.1:65535',
    '[::1]',
    '[2001:db8::1]:443',
    '[::ffff:192.0.2.1]',
    'xn--bcher-kva.example',
    'a%20b',
    "!$&'()*+;=~",
    '',
  ]
  for (const host of hosts) t.match(await send(GET, `Host: ${host}`, CLOSE, BEARER), /^HTTP\/1\.1 204 /, host)
  t.match(await send(GET, 'host:\t x \t', CLOSE, BEARER), /^HTTP\/1\.1 204 /, 'white space around it')
  t.match(await send('GET /v1/verify HTTP/1.0', BEARER), /^HTTP\/1\.1 204 /, 'HTTP/1.0')
  isProblem(t, await send('GET /v1/verify HTTP/1.0', 'Host: x', 'Host: x', BEARER), 400, 'bad_request', 'two of them')
  isProblem(t, await send('GET /v1/verify HTTP/1.0', 'Host: a b', BEARER), 400, 'bad_request', 'an illegal one')
})

t.test('what a client that has reset its connection did is logged with its address', async (t) => {
  const direct = await openHome()
  t.teardown(direct.close)
  await direct.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = direct.app.server.address() as AddressInfo
  const body = JSON.stringify({ email: me.email, password: 'not the one of nobody at all' })
  const requests = {
    'login.failed': `POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    'origin.refused': 'POST /v1/refresh HTTP/1.1\r\nHost: x\r\nCookie: __Host-refresh_token=x\r\n\r\n',
  }
  for (const [event, request] of Object.entries(requests)) {
    const socket = connect(port, '127.0.0.1')
    await once(direct.app.server, 'connection')
    socket.write(request)
    socket.resetAndDestroy()
    const [line] = await eventually(() => direct.events(event).length > 0 && direct.events(event), { within: 2000 })
    t.equal(line?.['ip'], '127.0.0.1', event)
  }
})
