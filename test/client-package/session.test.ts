import { createClient, Refused, SessionOver } from '@latchkey/client'
import t from 'tap'
import { openDoorstep, openLine, openStorage, PASSWORD } from '../support/client-home.ts'
import { openHome } from '../support/home.ts'
import { eventually } from '../support/settle.ts'

// A session from its first day to its last, as an app lives it that keeps its refresh token itself.

const home = await openHome()
t.teardown(home.close)
const { client: newClient, app, url } = await openDoorstep(home)
const FIVE_MINUTES = 300_000

t.test('a person registers, is remembered by the next start of the app, and logs out', async (t) => {
  const { client, storage, line } = newClient()
  t.same(client.getSnapshot(), { status: 'unknown' })
  t.equal(await client.resume(), false)
  t.same(client.getSnapshot(), { status: 'out', reason: 'none' })
  t.equal(line.sent.length, 0, 'without a refresh token nobody is asked')
  await t.rejects(client.token(), { name: 'SessionOver', reason: 'none' })

  const email = `ada-${process.pid}@example.org`
  const user = await client.register({ email, password: PASSWORD })
  t.equal(user.email, email)
  const snapshot = client.getSnapshot()
  t.match(snapshot, { status: 'in', sessionId: String, userId: user.id, emailVerified: false, roles: [] })
  t.equal((await client.fetch('/v1/me')).status, 200)

  const next = newClient({ storage })
  t.equal(await next.client.resume(), true)
  t.same(next.client.getSnapshot(), snapshot)
  await next.client.logout()
  t.same(next.client.getSnapshot(), { status: 'out', reason: 'logged_out' })
  t.equal(storage.value, null)
  await t.rejects(client.fetch('/v1/me'), { name: 'SessionOver' })
  t.equal(client.getSnapshot().status, 'out')
})

t.test(
  'a token is renewed when it is due, once for all who wait, and the snapshot stays the same object',
  async (t) => {
    const { client, pass, line } = await app()
    const snapshot = client.getSnapshot()
    let changes = 0
    client.subscribe(() => (changes += 1))
    const first = await client.token()
    t.equal(await client.token(), first)
    pass(FIVE_MINUTES)
    const tokens = await Promise.all(Array.from({ length: 20 }, () => client.token()))
    t.equal(new Set(tokens).size, 1)
    t.not(tokens[0], first)
    t.equal(line.count('/v1/refresh'), 1)
    t.equal(client.getSnapshot(), snapshot)
    t.equal(changes, 0)
  },
)

t.test('a wrong password is refused in the service’s own words, and changes nothing', async (t) => {
  const { client, person } = await app()
  const snapshot = client.getSnapshot()
  const wrong = { ...person, password: 'not the password at all' }
  await t.rejects(client.login(wrong), { name: 'Refused', status: 401, code: 'bad_credentials' })
  const change = { current_password: 'not the password at all', new_password: `${PASSWORD} again` }
  await t.rejects(client.changePassword(change), { name: 'Refused', status: 403, code: 'wrong_password' })
  const error = await client.register({ email: 'x@example.org', password: 'short' }).catch((thrown: unknown) => thrown)
  t.ok(error instanceof Refused && error.problem.errors?.some(({ rule }) => rule === 'too_short'))
  t.equal(client.getSnapshot(), snapshot)
  t.equal((await client.fetch('/v1/me')).status, 200)
})

t.test(
  'a password is changed, and a step-up made: the session goes on, the others hear why they are over',
  async (t) => {
    const { client, person, storage, pass } = await app()
    const other = newClient()
    await other.client.login(person)
    const new_password = `${PASSWORD} again`
    await client.changePassword({ current_password: PASSWORD, new_password })
    t.equal((await client.fetch('/v1/me')).status, 200)
    await t.rejects(other.client.fetch('/v1/me'), { name: 'SessionOver', reason: 'password_changed' })
    t.same(other.client.getSnapshot(), { status: 'out', reason: 'password_changed' })
    t.equal(other.storage.value, null)
    const before = await client.token()
    await client.stepUp({ password: new_password })
    t.not(await client.token(), before)
    pass(FIVE_MINUTES)
    t.equal((await client.fetch('/v1/me')).status, 200)
    t.equal(await newClient({ storage }).client.resume(), true)
  },
)

t.test('who logs out the others stays; who logs out all does not; the events tell', async (t) => {
  const { client, person } = await app()
  const [first, second] = [newClient(), newClient()]
  await first.client.login(person)
  await client.logout({ scope: 'others' })
  t.equal(client.getSnapshot().status, 'in')
  await t.rejects(first.client.fetch('/v1/me'), SessionOver)
  await second.client.login(person)
  const { events, next } = await client.events({ limit: 2 })
  t.equal(events.length, 2)
  t.ok((await client.events({ cursor: `${next}` })).events.length > 0)
  await client.logout({ scope: 'all' })
  t.equal(client.getSnapshot().status, 'out')
  await t.rejects(
    second.client.token().then(() => second.client.fetch('/v1/me')),
    SessionOver,
  )
  await t.rejects(client.logout({ scope: 'all' }), SessionOver, 'nobody else was logged out by that')
  await client.logout()
})

t.test('a clock a day off, or set while the app runs, is not asked', async (t) => {
  const line = openLine()
  const client = createClient({ baseUrl: url, transport: 'body', storage: openStorage(), fetch: line.fetch })
  const date = Date.now
  t.teardown(() => (Date.now = date))
  for (const days of [-1, 1, 30]) {
    Date.now = () => date() + days * 86_400_000
    await client.register({ email: `clock-${process.pid}-${days + 1}@example.org`, password: PASSWORD })
    const token = await client.token()
    Date.now = () => date() - days * 86_400_000
    t.equal(await client.token(), token)
  }
  t.equal(line.count('/v1/refresh'), 0)
})

t.test(
  'a listener hears of each change, one that throws disturbs nobody, and after `dispose` none hears',
  async (t) => {
    const { client, person } = await app()
    const heard: string[] = []
    const listener = () => void heard.push(client.getSnapshot().status)
    const stop = client.subscribe(listener)
    stop() // React mounts twice
    const again = client.subscribe(listener)
    client.subscribe(listener)()
    await client.logout()
    await eventually(() => heard.length === 1, { within: 1000 })
    await client.login(person)
    await eventually(() => heard.length === 2, { within: 1000 })
    again()
    await client.logout()
    await client.login(person)
    client.subscribe(listener)
    client.dispose()
    await client.logout()
    await new Promise(setImmediate)
    t.same(heard, ['out', 'in'])
  },
)

t.test('the transport body wants a storage, and cookie none', async (t) => {
  t.throws(() => createClient({ baseUrl: url, transport: 'body' }), TypeError)
  t.throws(() => createClient({ baseUrl: url, transport: 'cookie', storage: openStorage() }), TypeError)
})
