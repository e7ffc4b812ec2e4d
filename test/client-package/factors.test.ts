import { type Client, createClient, Refused, SessionOver, Unavailable } from '@latchkey/client'
import {
  beginTotp,
  confirmTotp,
  finishLogin,
  listFactors,
  removeTotp,
  renewRecoveryCodes,
} from '@latchkey/client/factors'
import t from 'tap'
import {
  type App,
  hold,
  lose,
  loseAnswer,
  offline,
  openDoorstep,
  openLine,
  PASSWORD,
  says,
  withCookies,
} from '../support/client-home.ts'
import { appOf, type SoftApp, STEP_MS } from '../support/factors.ts'
import { openHome } from '../support/home.ts'
import { put } from '../support/platform.ts'
import { eventually } from '../support/settle.ts'

// A login in two steps, and second factors, by the package for pages and apps.

const home = await openHome()
t.teardown(home.close)
const { client: newClient, app, url } = await openDoorstep(home)
const ISSUER = 'http://localhost:3000'
const WITHIN = { within: 5000 }
const SECOND_STEP = '/v1/login/second-factor'

type Person = App['person']

/** Somebody who has enrolled an authenticator app. */
async function owner() {
  const made = await app()
  const device = appOf(home, (await beginTotp(made.client)).secret)
  const { recovery_codes } = await confirmTotp(made.client, device.code())
  home.clock.advance(STEP_MS) // the code that confirmed is spent
  return { ...made, device, recovery_codes }
}

/** The first step of a login: what it is refused with. */
async function firstStep(client: Client, person: Person & { remember?: boolean }) {
  const error = await client.login(person).catch((thrown: unknown) => thrown)
  if (!(error instanceof Refused)) throw error
  const { challenge = '', ...problem } = error.problem
  return { challenge, ...problem }
}

const sessionsOf = async (client: Client) => {
  const answer = (await (await client.fetch('/v1/sessions')).json()) as any
  return answer.sessions as { current: boolean; remember: boolean }[]
}
const sessionIdOf = (client: Client) => {
  const snapshot = client.getSnapshot()
  return snapshot.status === 'in' ? snapshot.sessionId : snapshot.status
}
const wrong = (device: SoftApp) => `${(Number(device.code()) + 1) % 1e6}`.padStart(6, '0')

t.test('with an app enrolled a login takes two steps; a wrong code may be followed by a right one', async (t) => {
  const { client, person, device, recovery_codes } = await owner()
  t.equal(recovery_codes.length, 10)
  t.equal(client.getSnapshot().status, 'in', 'who enrols stays')
  t.same(await listFactors(client), { totp: true, recovery_codes_left: 10, passkeys: [] })

  const other = newClient()
  const { code, challenge, factors } = await firstStep(other.client, { ...person, remember: true })
  t.same([code, factors], ['second_factor_required', ['totp', 'recovery_code']])
  t.same([other.client.getSnapshot(), other.storage.value], [{ status: 'unknown' }, null], 'half a login opens nothing')
  const guess = { challenge, totp: wrong(device) }
  await t.rejects(finishLogin(other.client, guess), { name: 'Refused', status: 401, code: 'bad_credentials' })
  t.equal(other.client.getSnapshot().status, 'unknown')
  const user = await finishLogin(other.client, { challenge, totp: device.code() })
  t.equal(user.email, person.email)
  t.match(other.client.getSnapshot(), { status: 'in', userId: user.id })
  t.ok((await sessionsOf(other.client)).find(({ current }) => current)?.remember, 'as the first step said')
  t.ok(await newClient({ storage: other.storage }).client.resume())
})

t.test('the example of the README logs in whoever has an app, and whoever has none', async (t) => {
  const { logIn } = await import(new URL('../../../examples/second-step.mjs', import.meta.url).href)
  const { person, device } = await owner()
  const asked: string[] = []
  const askForCode = async () => (asked.push('code'), device.code())
  t.equal((await logIn(newClient().client, person, askForCode)).email, person.email)
  const { person: another } = await app()
  t.equal((await logIn(newClient().client, another, askForCode)).email, another.email)
  const stranger = { ...person, password: 'not the password at all' }
  await t.rejects(logIn(newClient().client, stranger, askForCode), { code: 'bad_credentials' })
  t.same(asked, ['code'])
})

t.test('somebody without the phone logs in by a recovery code, once', async (t) => {
  const { client, person, recovery_codes } = await owner()
  const proof = { recovery_code: `${recovery_codes[3]}` }
  const [first, second] = [newClient().client, newClient().client]
  await finishLogin(first, { ...(await challengeOf(first, person)), ...proof })
  await first.token()
  await t.rejects(finishLogin(second, { ...(await challengeOf(second, person)), ...proof }), {
    code: 'bad_credentials',
  })
  t.match(await listFactors(client), { recovery_codes_left: 9 })
})

const challengeOf = async (client: Client, person: Person) => {
  const { challenge } = await firstStep(client, person)
  return { challenge }
}

t.test('in a page the cookie comes with the second step, and ends the session of the cookie before', async (t) => {
  const { client: app, person, device } = await owner()
  const [line, jar] = [openLine(), { cookie: '' }]
  const page = () => createClient({ baseUrl: url, transport: 'cookie', fetch: withCookies(line, ISSUER, jar) })
  await page().register({ email: `before-${process.pid}@example.org`, password: PASSWORD })
  const before = jar.cookie
  const client = page()
  const { challenge } = await firstStep(client, person)
  t.equal(jar.cookie, before, 'the first step leaves the session of before')
  await finishLogin(client, { challenge, totp: device.code() })
  t.not(jar.cookie, before)
  t.equal((await sessionsOf(app)).length, 2)
  const next = page()
  t.ok(await next.resume())
  t.equal(sessionIdOf(next), sessionIdOf(client))
  const old = createClient({ baseUrl: url, transport: 'cookie', fetch: withCookies(line, ISSUER, { cookie: before }) })
  t.notOk(await old.resume())
})

t.test('a challenge that is dead sends back to the login', async (t) => {
  const { client, person, device, pass } = await owner()
  const late = newClient().client
  const dead = await challengeOf(late, person)
  pass(10 * 60_000 + 1000)
  const refused = { name: 'Refused', status: 400, code: 'code_invalid' }
  await t.rejects(finishLogin(late, { ...dead, totp: device.code() }), refused)
  const killed = await challengeOf(late, person)
  await client.stepUp({ totp: device.code() })
  await client.changePassword({ current_password: PASSWORD, new_password: `${PASSWORD} again` })
  pass(STEP_MS)
  await t.rejects(finishLogin(late, { ...killed, totp: device.code() }), refused)
  await t.rejects(finishLogin(late, { challenge: 'junk', totp: device.code() }), refused)
  t.equal(late.getSnapshot().status, 'unknown')
})

t.test('a second step whose answer is lost is the same session when it is sent again', async (t) => {
  const { client, person, device } = await owner()
  const { client: phone, line, storage } = newClient()
  const proof = { ...(await challengeOf(phone, person)), totp: device.code() }
  const { fate, lost } = lose()
  line.next(SECOND_STEP, fate, offline)
  await t.rejects(finishLogin(phone, proof), Unavailable)
  t.same([phone.getSnapshot(), storage.value], [{ status: 'unknown' }, null])
  await t.rejects(finishLogin(phone, proof), Unavailable)
  await finishLogin(phone, proof)
  t.same([sessionIdOf(phone), storage.value], [lost.answer.session_id, lost.answer.refresh_token])
  t.equal((await sessionsOf(client)).length, 2)
  t.ok(await newClient({ storage }).client.resume())
})

t.test('whoever says yes on the way opens nothing: each function goes by the service alone', async (t) => {
  const { client, person, device, line } = await owner()
  const { challenge } = await firstStep(newClient().client, person)
  const portals = [says(200, '{"status":"ok"}', 'application/json'), says(200, '', 'text/html'), offline]
  const deeds: readonly [string, () => Promise<unknown>][] = [
    [SECOND_STEP, () => finishLogin(client, { challenge, totp: device.code() })],
    ['/v1/factors', () => listFactors(client)],
    ['/v1/factors/totp', () => beginTotp(client)],
    ['/v1/factors/totp', () => removeTotp(client)],
    ['/v1/factors/totp/confirm', () => confirmTotp(client, device.code())],
    ['/v1/factors/recovery-codes', () => renewRecoveryCodes(client)],
  ]
  const before = client.getSnapshot()
  for (const [path, deed] of deeds) {
    for (const portal of portals) {
      line.next(path, portal)
      await t.rejects(deed(), Unavailable, path)
    }
  }
  t.equal(client.getSnapshot(), before)
  t.match(await listFactors(client), { totp: true, recovery_codes_left: 10 })
})

t.test('a step-up is made by whatever a person has; an answer that is lost is asked for again', async (t) => {
  const { client, device, recovery_codes, line, pass } = await owner()
  pass(5 * 60_000)
  const asked = { name: 'Refused', status: 403, code: 'step_up_required' }
  const error = await beginTotp(client).catch((thrown: unknown) => thrown)
  t.match(error, { ...asked, problem: { factors: ['totp', 'recovery_code'], max_age: 300 } })
  await t.rejects(client.stepUp({ password: PASSWORD }), asked, 'the password is not enough any more')
  const refused = { name: 'Refused', status: 403, code: 'wrong_password' }
  await t.rejects(client.stepUp({ totp: wrong(device) }), refused)
  const proof = { totp: device.code() }
  line.next('/v1/step-up', loseAnswer)
  await t.rejects(client.stepUp(proof), Unavailable)
  await client.stepUp(proof)
  await beginTotp(client)
  pass(5 * 60_000)
  await client.stepUp({ recovery_code: `${recovery_codes[0]}`.toLowerCase() })
  await beginTotp(client)
})

t.test('an enrolment whose answer is lost gives the same recovery codes; the other sessions hear why', async (t) => {
  const { client, person, line, storage } = await app()
  const other = newClient()
  await other.client.login(person)
  const { secret, uri } = await beginTotp(client)
  t.ok(uri.startsWith('otpauth://totp/') && uri.includes(secret))
  t.equal((await beginTotp(client)).secret, secret)
  const device = appOf(home, secret)
  await t.rejects(confirmTotp(client, wrong(device)), { name: 'Refused', status: 400, code: 'code_invalid' })
  const { fate, lost } = lose()
  line.next('/v1/factors/totp/confirm', fate)
  const code = device.code()
  await t.rejects(confirmTotp(client, code), Unavailable)
  t.equal((await client.fetch('/v1/me')).status, 200, 'the tokens of before are good')
  t.same(await confirmTotp(client, code), { recovery_codes: lost.answer.recovery_codes })
  t.equal((await client.fetch('/v1/me')).status, 200)
  t.ok(await newClient({ storage }).client.resume(), 'the tokens of the answer were kept')
  await t.rejects(other.client.fetch('/v1/me'), { name: 'SessionOver', reason: 'factor_changed' })
})

t.test('an enrolment and a refresh at once take turns: both are done, and nobody is logged out', async (t) => {
  const { client, line, clock, storage } = await app()
  const device = appOf(home, (await beginTotp(client)).secret)
  const [refresh, confirmation] = [hold(), hold(true)]
  clock.now += 5 * 60_000 // here alone: the token is due, and the session still fresh
  line.next('/v1/refresh', refresh.fate)
  const token = client.token()
  await refresh.arrived
  const confirmed = confirmTotp(client, device.code())
  refresh.pass()
  await token
  t.equal((await confirmed).recovery_codes.length, 10)

  const again = appOf(home, (await beginTotp(client)).secret)
  line.next('/v1/factors/totp/confirm', confirmation.fate)
  const replaced = confirmTotp(client, again.code())
  await confirmation.arrived
  clock.now += 5 * 60_000
  const next = client.token()
  confirmation.pass()
  await Promise.all([replaced, next])
  t.equal((await client.fetch('/v1/me')).status, 200)
  t.ok(await newClient({ storage }).client.resume())
})

t.test('a session that ends meanwhile, elsewhere or by another login here, enrols nothing', async (t) => {
  const { client, person, line } = await app()
  const device = appOf(home, (await beginTotp(client)).secret)
  const other = newClient().client
  await other.login(person)
  await other.logout({ scope: 'others' })
  await t.rejects(confirmTotp(client, device.code()), { name: 'SessionOver', reason: 'logged_out' })
  t.same(client.getSnapshot(), { status: 'out', reason: 'logged_out' })
  t.match(await listFactors(other), { totp: false })

  await client.login(person)
  const held = hold(true)
  line.next('/v1/factors/totp', held.fate)
  const begun = beginTotp(client)
  await held.arrived
  const entered = client.register({ email: `next-${process.pid}@example.org`, password: PASSWORD })
  held.pass()
  await begun
  await entered
  t.same(await listFactors(client), { totp: false, recovery_codes_left: 0, passkeys: [] })
})

t.test('new recovery codes: asked for again after a lost answer they are the same, while none is used', async (t) => {
  const { client, line, recovery_codes, device } = await owner()
  await client.stepUp({ totp: device.code() })
  const { fate, lost } = lose()
  line.next('/v1/factors/recovery-codes', fate, offline)
  await t.rejects(renewRecoveryCodes(client), Unavailable)
  await t.rejects(renewRecoveryCodes(client), Unavailable)
  const renewed = await renewRecoveryCodes(client)
  t.same(renewed, lost.answer)
  t.not(renewed.recovery_codes[0], recovery_codes[0])
  t.notSame(await renewRecoveryCodes(client), renewed, 'once they are known the next are others')

  const mine = await renewRecoveryCodes(client, 'my own')
  t.same(await renewRecoveryCodes(client, 'my own'), mine)
  await client.stepUp({ recovery_code: `${mine.recovery_codes[0]}` })
  await t.rejects(renewRecoveryCodes(client, 'my own'), { name: 'Refused', code: 'code_invalid' })
  t.notSame(await renewRecoveryCodes(client), mine)
})

t.test('an app is removed, and again; from then on the password is enough', async (t) => {
  const { client, person, line } = await owner()
  line.next('/v1/factors/totp', loseAnswer)
  await t.rejects(removeTotp(client), Unavailable)
  await removeTotp(client)
  t.same(await listFactors(client), { totp: false, recovery_codes_left: 0, passkeys: [] })
  t.equal((await newClient().client.login(person)).email, person.email)
  await client.logout()
  await t.rejects(removeTotp(client), SessionOver)
  await t.rejects(listFactors(client), SessionOver)
})

t.test('somebody logs in in another tab between the steps: the login that ends last counts, in both', async (t) => {
  const { person, device, recovery_codes } = await owner()
  t.teardown(put('location', new URL(url))) // as in a browser, tabs share the cookie
  t.teardown(put('navigator', Reflect.get(globalThis, 'navigator') ?? {}))
  const jar = { cookie: '' }
  const newTab = () => {
    const tab = createClient({ baseUrl: url, transport: 'cookie', fetch: withCookies(openLine(), ISSUER, jar) })
    t.teardown(tab.dispose)
    return tab
  }
  const [first, second] = [newTab(), newTab()]
  const { challenge } = await firstStep(first, person)
  const other = await second.register({ email: `other-tab-${process.pid}@example.org`, password: PASSWORD })
  await eventually(() => first.getSnapshot().status === 'in', WITHIN)
  t.match(first.getSnapshot(), { userId: other.id })
  const user = await finishLogin(first, { challenge, totp: device.code() })
  await eventually(() => sessionIdOf(second) === sessionIdOf(first), WITHIN)
  t.match(second.getSnapshot(), { userId: user.id })
  t.match(await (await second.fetch('/v1/me')).json(), { id: user.id })
  await first.stepUp({ recovery_code: `${recovery_codes[0]}` })
  t.equal((await second.fetch('/v1/me')).status, 200)
})
