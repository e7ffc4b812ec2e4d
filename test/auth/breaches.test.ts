import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { openMailHome } from '../support/mail-home.ts'

// New passwords are looked up in a list of breached ones, served as Have I Been Pwned serves its own.

/** In NFC, as it is hashed; people may type it in another form. */
const BREACHED = 'many bicycles fell into the cañal'
const FRESH = 'eleven lanterns under the old bridge'
const sha1 = (text: string) => createHash('sha1').update(text).digest('hex').toUpperCase()

/** Serves a list, and keeps what it was asked. */
async function serveList(t: Test, answer: RequestListener) {
  const asked: string[] = []
  const server = createServer((request, reply) => {
    asked.push(`${request.url}`)
    answer(request, reply)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/range/` }
}

/** The lines of the real service: other suffixes of the prefix, and padding whose count is 0. */
const list: RequestListener = ({ url = '', headers }, reply) => {
  const suffixes = [[BREACHED, 3] as const, [FRESH, 0] as const].map(([text, count]) => [sha1(text), count] as const)
  const here = suffixes.filter(([digest]) => url === `/range/${digest.slice(0, 5)}`)
  const lines = here.map(([digest, count]) => `${digest.slice(5)}:${count}`)
  if (headers['add-padding'] !== 'true') lines.length = 0
  reply.end([`${'0'.repeat(35)}:12`, ...lines].join('\r\n'))
}

t.test('a breached password is refused at each door, and its list learns five digits of a hash', async (t) => {
  const { asked, url } = await serveList(t, list)
  const home = await openMailHome(t, { BREACHED_PASSWORDS_URL: url })
  const refused = { status: 422, body: { code: 'password_unacceptable', errors: [{ rule: 'too_common' }] } }

  const email = 'ada@example.com'
  t.match(await home.call('POST', '/v1/register', { body: { email, password: BREACHED.normalize('NFD') } }), refused)
  const me = await home.newcomer({ email, password: FRESH })
  const change = { current_password: FRESH, new_password: BREACHED }
  t.match(await home.call('POST', '/v1/password', { token: me.access_token, body: change }), refused)
  const { token } = await home.forgot(email)
  const reset = (new_password: string) => home.call('POST', '/v1/password/reset', { body: { token, new_password } })
  t.match(await reset(BREACHED), refused)
  t.match(
    await reset('seven kettles singing in the morning'),
    { status: 204 },
    'a refused one has not used the link up',
  )

  t.ok(asked.length >= 5)
  t.strictSame(
    asked.filter((path) => !/^\/range\/[\dA-F]{5}$/.test(path)),
    [],
  )
})

t.test('a password that breaks another rule is not looked up, and a login never is', async (t) => {
  const { asked, url } = await serveList(t, list)
  const home = await openMailHome(t, { BREACHED_PASSWORDS_URL: url })
  const email = 'grace@example.com'
  await home.newcomer({ email, password: FRESH })
  const before = asked.length
  t.match(await home.call('POST', '/v1/register', { body: { email: 'x@example.com', password: 'short' } }), {
    status: 422,
  })
  t.match(await home.call('POST', '/v1/login', { body: { email, password: FRESH } }), { status: 200 })
  t.equal(asked.length, before)
})

const OUTAGES: Readonly<Record<string, RequestListener>> = {
  'is silent': () => {},
  'breaks off': (_request, reply) => reply.destroy(),
  fails: (_request, reply) => reply.writeHead(500).end(`${sha1(BREACHED).slice(5)}:3`),
  'points elsewhere': ({ url }, reply) =>
    url === '/elsewhere' ? reply.end() : reply.writeHead(302, { location: '/elsewhere' }).end(),
}
for (const [what, answer] of Object.entries(OUTAGES)) {
  t.test(`while the list ${what}, passwords are taken, and the log says that they were not looked up`, async (t) => {
    const { url } = await serveList(t, answer)
    const home = await openMailHome(t, { BREACHED_PASSWORDS_URL: url })
    const { status } = await home.call('POST', '/v1/register', { body: { email: 'a@example.com', password: BREACHED } })
    t.equal(status, 201)
    const said = home.lines.filter(({ msg }) => msg === 'a new password was taken without the list of breached ones')
    t.match(said, [{ level: 40, err: { message: String } }])
    t.notMatch(JSON.stringify(home.lines), sha1(BREACHED).slice(0, 5), 'of the hash nothing reaches the log')
  })
}
