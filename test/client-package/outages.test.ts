import { type TokenStorage, Unavailable } from '@latchkey/client'
import t from 'tap'
import {
  type Fate,
  hold,
  loseAnswer,
  offline,
  openDoorstep,
  openStorage,
  PASSWORD,
  says,
} from '../support/client-home.ts'
import { openHome } from '../support/home.ts'

// An honest client is never logged out: by no outage, by nobody else's answer, by no answer that was lost.

const home = await openHome()
t.teardown(home.close)
const { client: newClient, app } = await openDoorstep(home)
const MINUTES = 60_000

const html = '<!doctype html><title>Hotel Wi-Fi</title>'
const problem = (status: number, code: string) => JSON.stringify({ type: 'about:blank', title: code, status, code })
const cutOff: Fate = async (send) => {
  const { status, headers } = await send()
  return new Response(new ReadableStream({ pull: (body) => body.error(new TypeError('terminated')) }), {
    status,
    headers,
  })
}

const OUTAGES: Readonly<Record<string, Fate>> = {
  'no network': offline,
  'a lost answer': loseAnswer,
  'half an answer': cutOff,
  'a 503': says(503, problem(503, 'busy'), 'application/problem+json', { 'retry-after': '7' }),
  'a 500': says(500, problem(500, 'internal'), 'application/problem+json'),
  'a 502 of a proxy': says(502, html, 'text/html'),
  'a 429': says(429, problem(429, 'too_many_requests'), 'application/problem+json'),
  'a 403 of a proxy': says(403, html, 'text/html'),
  'a 404 of a proxy': says(404, 'not here', 'text/plain'),
  'a 401 of a proxy': says(401, html, 'text/html'),
  'a 401 in JSON that is no problem': says(401, problem(401, 'session_over'), 'application/json'),
  'a 401 that only claims to be a problem': says(401, html, 'application/problem+json'),
  'a 200 of a captive portal': says(200, html, 'text/html'),
  'a 200 of a captive portal in JSON': says(200, '{"status":"login required"}', 'application/json'),
  'tokens of something else': says(200, '{"access_token":"x","refresh_token":"y"}', 'application/json'),
  'tokens that are not whole': says(200, '{"access_token":"x","expires_in":300,"session_id":"y"}', 'application/json'),
  'a 200 that is empty': says(200, '', 'application/json'),
  'a 204': () => new Response(null, { status: 204 }),
  'a redirect': () => new Response(null, { status: 302, headers: { location: 'https://portal.example/' } }),
}

for (const [name, fate] of Object.entries(OUTAGES)) {
  t.test(`${name} in place of a refresh ends no session`, async (t) => {
    const { client, line, storage, pass } = await app()
    const [snapshot, kept] = [client.getSnapshot(), storage.value]
    pass(5 * MINUTES)
    line.next('/v1/refresh', fate)
    const error = await client.fetch('/v1/me').catch((thrown: unknown) => thrown)
    t.ok(error instanceof Unavailable)
    t.equal((error as Unavailable).retryAfter, name === 'a 503' ? 7 : 1)
    t.equal(client.getSnapshot(), snapshot)
    t.equal(storage.value, kept)
    t.equal((await client.fetch('/v1/me')).status, 200)
  })
}

t.test('nor does what the service itself refuses otherwise', async (t) => {
  const { client, line, pass } = await app()
  const snapshot = client.getSnapshot()
  pass(5 * MINUTES)
  for (const [status, code] of [
    [403, 'cross_site'],
    [400, 'bad_request'],
    [404, 'not_found'],
  ] as const) {
    line.next('/v1/refresh', says(status, problem(status, code), 'application/problem+json'))
    await t.rejects(client.token(), { name: 'Refused', status, code })
    t.equal(client.getSnapshot(), snapshot)
  }
  t.equal((await client.fetch('/v1/me')).status, 200)
})

t.test('a start of the app while nobody knows is no logout; whoever waits shares one question', async (t) => {
  const { storage } = await app()
  const next = newClient({ storage })
  next.line.next('/v1/refresh', offline)
  const answers = await Promise.allSettled([next.client.resume(), next.client.token(), next.client.fetch('/v1/me')])
  for (const answer of answers) t.match(answer, { status: 'rejected', reason: { name: 'Unavailable', status: 0 } })
  t.equal(next.line.count('/v1/refresh'), 1)
  t.same(next.client.getSnapshot(), { status: 'unknown' })
  t.equal(await next.client.resume(), true)
})

t.test('a 401 of a captive portal to any request is no logout', async (t) => {
  const { client, line } = await app()
  const snapshot = client.getSnapshot()
  line.next('/v1/me', says(401, html, 'text/html'))
  line.next('/v1/refresh', says(200, html, 'text/html'))
  await t.rejects(client.fetch('/v1/me'), Unavailable)
  t.equal(client.getSnapshot(), snapshot)
  t.equal((await client.fetch('/v1/me')).status, 200)
})

t.test('what a captive portal says to a form is not taken for done', async (t) => {
  const { client, line, person } = await app()
  const [portal, json] = [says(200, html, 'text/html'), says(200, '{}', 'application/json')]
  for (const path of ['login', 'logout', 'password', 'step-up', 'password/forgot', 'me/events'])
    line.next(`/v1/${path}`, portal, json)
  for (let times = 0; times < 2; times += 1) {
    await t.rejects(client.login(person), Unavailable)
    await t.rejects(client.logout(), Unavailable)
    await t.rejects(client.changePassword({ current_password: PASSWORD, new_password: PASSWORD }), Unavailable)
    await t.rejects(client.stepUp({ password: PASSWORD }), Unavailable)
    await t.rejects(client.forgotPassword({ email: person.email }), Unavailable)
    await t.rejects(client.events(), Unavailable)
  }
  t.equal(client.getSnapshot().status, 'in')
})

t.test('refreshes whose answers are lost, one after the other, are made good by the next', async (t) => {
  const { client, line, pass } = await app()
  for (let times = 0; times < 3; times += 1) {
    pass(10 * MINUTES)
    line.next('/v1/refresh', loseAnswer)
    await t.rejects(client.token(), Unavailable)
    pass(10 * MINUTES)
    t.equal((await client.fetch('/v1/me')).status, 200)
    pass(10 * MINUTES)
    t.equal((await client.fetch('/v1/me')).status, 200) // no streak: that would be two who share a token
  }
})

t.test('a lost answer to each other deed: the next question finds what was done', async (t) => {
  const { client, line, storage } = newClient()
  const person = { email: `lost-${process.pid}@example.org`, password: PASSWORD }
  line.next('/v1/register', loseAnswer)
  await t.rejects(client.register(person), Unavailable)
  await t.rejects(client.register(person), { name: 'Refused', status: 409, code: 'email_taken' })
  line.next('/v1/login', loseAnswer)
  await t.rejects(client.login(person), Unavailable)
  await client.login(person)
  line.next('/v1/password', loseAnswer)
  const change = { current_password: PASSWORD, new_password: `${PASSWORD} again` }
  await t.rejects(client.changePassword(change), Unavailable)
  t.equal((await client.fetch('/v1/me')).status, 200, 'a refresh with the token of before')
  line.next('/v1/step-up', loseAnswer)
  await t.rejects(client.stepUp({ password: change.new_password }), Unavailable)
  t.equal((await client.fetch('/v1/me')).status, 200)
  line.next('/v1/logout', loseAnswer)
  await t.rejects(client.logout(), Unavailable, 'it may live on')
  t.equal(client.getSnapshot().status, 'in')
  await client.logout()
  t.same(client.getSnapshot(), { status: 'out', reason: 'logged_out' })
  t.equal(storage.value, null)
})

t.test('an app that is killed between the answer and the storage starts with the token of before', async (t) => {
  const { pass, storage } = await app()
  pass(5 * MINUTES)
  const written: (string | null)[] = []
  const dying = newClient({
    storage: {
      get: async () => storage.value,
      set: (value) => {
        written.push(value)
        return new Promise(() => {})
      },
    },
  })
  void dying.client.fetch('/v1/me')
  while (written.length === 0) await new Promise(setImmediate)
  t.equal(dying.line.count('/v1/me'), 0, 'nothing is sent with a token that is not written down')
  pass(20 * MINUTES)
  const next = newClient({ storage })
  t.equal(await next.client.resume(), true)
  t.equal(storage.value, written[0], 'the same next token')
})

t.test('a storage that throws loses nothing', async (t) => {
  const kept = openStorage()
  const broken = new Set<'get' | 'set'>()
  const works = (name: 'get' | 'set') => {
    if (broken.has(name)) throw new Error('the keychain is locked')
  }
  const storage: TokenStorage = {
    async get() {
      works('get')
      return kept.get()
    },
    async set(value) {
      works('set')
      await kept.set(value)
    },
  }
  const { client, person, pass } = await app({ storage })
  const next = newClient({ storage })
  broken.add('get')
  await t.rejects(next.client.resume(), { name: 'Unavailable', cause: { message: 'the keychain is locked' } })
  t.same(next.client.getSnapshot(), { status: 'unknown' })
  broken.delete('get')
  broken.add('set')
  await t.rejects(next.client.resume(), Unavailable)
  await t.rejects(next.client.login(person), Unavailable)
  t.same(next.client.getSnapshot(), { status: 'unknown' }, 'a token that is not written down is not used')
  pass(5 * MINUTES)
  await t.rejects(client.token(), Unavailable)
  t.equal(client.getSnapshot().status, 'in')
  broken.clear()
  t.equal((await client.fetch('/v1/me')).status, 200)

  broken.add('set')
  await client.logout()
  t.same(client.getSnapshot(), { status: 'out', reason: 'logged_out' })
  broken.clear()
  t.equal(await newClient({ storage }).client.resume(), false, 'what stayed there is dead')
  t.equal(kept.value, null)
})

t.test('a logout and a refresh at once: the session is over, whichever is first', async (t) => {
  for (const isAnswered of [true, false]) {
    const { client, line, pass, storage } = await app()
    pass(5 * MINUTES)
    const { fate, arrived, pass: goOn } = hold(isAnswered)
    line.next('/v1/refresh', fate)
    const token = client.token()
    await arrived
    const logout = client.logout()
    goOn()
    await Promise.allSettled([token, logout])
    t.same(client.getSnapshot(), { status: 'out', reason: 'logged_out' })
    t.equal(storage.value, null)
    await t.rejects(client.token(), { name: 'SessionOver' })
  }
})

t.test(
  'a refresh answered after another device, sharing the storage, has logged out brings nothing back',
  async (t) => {
    const { client, line, pass, storage } = await app()
    const other = newClient({ storage })
    await other.client.resume()
    pass(5 * MINUTES)
    const { fate, arrived, pass: goOn } = hold(true)
    line.next('/v1/refresh', fate)
    const late = client.token()
    await arrived
    await other.client.logout()
    goOn()
    const token = await late
    t.equal(
      (await fetch(new URL('/v1/me', line.sent[0]?.url), { headers: { authorization: `Bearer ${token}` } })).status,
      401,
    )
    await t.rejects(client.fetch('/v1/me'), { name: 'SessionOver', reason: 'logged_out' })
    t.equal(storage.value, null)
  },
)
