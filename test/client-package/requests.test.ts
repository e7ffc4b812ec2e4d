import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Unavailable } from '@latchkey/client'
import t, { type Test } from 'tap'
import { hold, offline, openDoorstep, PASSWORD, says } from '../support/client-home.ts'
import { openHome } from '../support/home.ts'

// What is sent with the access token: to whom, how often, and as whom.

const home = await openHome()
t.teardown(home.close)
const { app } = await openDoorstep(home)

/** A server that notes what it is sent; it goes with the test. */
async function openServer(t: Test, answer: RequestListener = (_request, reply) => void reply.end('ok')) {
  const heard: { readonly path: string; readonly token: string | undefined; readonly body: string }[] = []
  const server = createServer((request, reply) => void hear(request).then(() => answer(request, reply)))
  const hear = async (request: IncomingMessage) => {
    const body = await text(request)
    heard.push({ path: request.url ?? '', token: request.headers.authorization, body })
  }
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { heard, port: (server.address() as AddressInfo).port, bodies: () => heard.map(({ body }) => body) }
}

t.test('a third party gets no token, however its address is written', async (t) => {
  const stranger = await openServer(t)
  const { client, person } = await app()
  const place = `127.0.0.1:${stranger.port}`
  const addresses = [
    `http://${place}/`,
    new URL(`http://${place}/url`),
    `//${place}/`,
    `\\\\${place}/`,
    `HTTP://${place}/`,
    new Request(`http://${place}/request`),
  ]
  for (const address of addresses) await client.fetch(address)
  await client.logout()
  await client.fetch(`http://${place}/as nobody`)
  await client.login(person)
  t.equal(stranger.heard.length, addresses.length + 1)
  t.same(
    stranger.heard.filter(({ token }) => token !== undefined),
    [],
  )
  const data = await client.fetch('data:text/plain,hello')
  t.equal(await data.text(), 'hello')
})

t.test('an origin that is named gets the token; where it leads elsewhere, that place does not', async (t) => {
  const stranger = await openServer(t)
  const elsewhere = { location: `http://127.0.0.1:${stranger.port}/taken` }
  const api = await openServer(t, ({ url: path }, reply) => {
    reply.writeHead(path === '/away' ? 302 : 200, path === '/away' ? elsewhere : {}).end('ok')
  })
  const { client } = await app({ origins: [`http://127.0.0.1:${api.port}`] })
  await client.fetch(`http://127.0.0.1:${api.port}/cart`)
  await client.fetch(`http://127.0.0.1:${api.port}/away`)
  const token = `Bearer ${await client.token()}`
  t.same(
    api.heard.map((each) => each.token),
    [token, token],
  )
  t.same(
    stranger.heard.map((each) => each.token),
    [undefined],
  )
})

t.test('after a 401 the token is renewed and the request repeated, whatever its body, once', async (t) => {
  let isRefusing = true
  const api = await openServer(t, (_request, reply) => {
    reply.writeHead(isRefusing ? 401 : 200).end()
    isRefusing = !isRefusing
  })
  const at = `http://127.0.0.1:${api.port}/`
  const { client, line } = await app({ origins: [at] })
  const form = new FormData()
  form.set('name', 'value')
  const bodies = [
    'text',
    new TextEncoder().encode('bytes'),
    new Blob(['blob']),
    new URLSearchParams({ query: 'yes' }),
    form,
  ]
  for (const body of bodies) t.equal((await client.fetch(at, { method: 'POST', body })).status, 200)
  t.equal((await client.fetch(new Request(at, { method: 'POST', body: 'request' }))).status, 200)
  t.equal((await client.fetch(at)).status, 200)
  t.equal(api.heard.length, 14)
  t.equal(line.count('/v1/refresh'), 7)
  for (let pair = 0; pair < 14; pair += 2) {
    const [first, again] = [api.heard[pair], api.heard[pair + 1]]
    t.equal(again?.body, first?.body)
    t.ok(first?.body !== '' || pair === 12)
    t.not(again?.token, first?.token)
  }
})

t.test(
  'a request that is refused again is answered so; a stream is sent once, and the next has a new token',
  async (t) => {
    const api = await openServer(t, (_request, reply) => void reply.writeHead(401).end('no'))
    const at = `http://127.0.0.1:${api.port}/`
    const { client, line } = await app({ origins: [at] })
    const answer = await client.fetch(at)
    t.equal(await answer.text(), 'no')
    t.equal(api.heard.length, 2)
    const stream = new Blob(['drop by drop']).stream()
    const streamed = await client.fetch(at, { method: 'POST', body: stream, duplex: 'half' })
    t.equal(streamed.status, 401)
    t.same(api.bodies(), ['', '', 'drop by drop'])
    t.equal(line.count('/v1/refresh'), 2)
    t.not(`Bearer ${await client.token()}`, api.heard[2]?.token)
    t.equal(client.getSnapshot().status, 'in')
  },
)

t.test('a token that the service refuses before its time is renewed, and its 401 is not shown', async (t) => {
  const { client, line } = await app()
  home.clock.advance(320_000)
  t.equal((await client.fetch('/v1/me')).status, 200)
  home.clock.advance(320_000)
  await client.stepUp({ password: PASSWORD })
  home.clock.advance(320_000)
  const answers = await Promise.all(Array.from({ length: 10 }, () => client.fetch('/v1/me')))
  t.same(
    answers.map(({ status }) => status),
    Array(10).fill(200),
  )
  t.equal(line.count('/v1/refresh'), 3)
})

t.test('no answer after a 401 is no answer, not a 401', async (t) => {
  const { client, line } = await app()
  line.next('/v1/me', says(401, '{}', 'application/json'))
  line.next('/v1/refresh', offline)
  await t.rejects(client.fetch('/v1/me'), Unavailable)
})

t.test('what was asked as one person is neither repeated as the next one, nor answered to them', async (t) => {
  const { client, line, person } = await app()
  const { fate, arrived, pass } = hold(true)
  line.next('/v1/me', fate)
  const answer = client.fetch('/v1/me')
  await arrived
  await client.logout()
  await client.login(person)
  pass()
  await t.rejects(answer, { name: 'SessionOver', reason: 'replaced' })
  t.equal(line.count('/v1/me'), 1)

  const refused = hold()
  line.next('/v1/me', refused.fate)
  const late = client.fetch('/v1/me')
  await refused.arrived
  await client.logout()
  refused.pass()
  await t.rejects(late, { name: 'SessionOver', reason: 'logged_out' })
  t.equal(line.count('/v1/me'), 2)
})

t.test('a deed that waits for its turn is not done as the next person', async (t) => {
  const { client, line, person } = await app()
  const { fate, arrived, pass } = hold()
  line.next('/v1/logout', fate)
  const logout = client.logout()
  await arrived
  const change = client.changePassword({ current_password: PASSWORD, new_password: `${PASSWORD} again` })
  const login = client.login(person)
  pass()
  await logout
  await t.rejects(change, { name: 'SessionOver' })
  await login
  t.equal(line.count('/v1/password'), 0)
  t.equal(client.getSnapshot().status, 'in')
})

t.test('secrets are in no address', async (t) => {
  const { client, line } = await app()
  await client.events({ limit: 1 })
  await client.logout()
  const token = line.sent.map((each) => each.token).find((each) => each !== null) ?? ''
  const text = line.sent.map(({ url: each }) => each).join('\n')
  t.notMatch(text, PASSWORD.slice(0, 5))
  t.notOk(text.includes(token.slice(-20)))
})
