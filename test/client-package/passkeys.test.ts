import { type Client, Refused, Unavailable } from '@latchkey/client'
import { finishLogin, listFactors, removePasskey, renamePasskey } from '@latchkey/client/factors'
import {
  addPasskey,
  arePasskeysSupported,
  canAutofill,
  finishLoginWithPasskey,
  loginWithPasskey,
  PasskeyCancelled,
  stepUpWithPasskey,
} from '@latchkey/client/passkeys'
import t, { type Test } from 'tap'
import { lose, loseAnswer, offline, openDoorstep, PASSWORD, says } from '../support/client-home.ts'
import { openHome } from '../support/home.ts'
import { cancel, linger, openPlatform, put } from '../support/platform.ts'

// Passkeys by the package for pages and apps: an authenticator in software is in the place of the browser's.

const home = await openHome()
t.teardown(home.close)
const { client: newClient, app } = await openDoorstep(home)
const MINUTES = 60_000

/** A platform, which goes with the test. */
function platformOf(t: Test) {
  const platform = openPlatform()
  t.teardown(platform.close)
  return platform
}

/** Somebody who has a passkey on this platform. */
async function owner() {
  const made = await app()
  const { recovery_codes = [] } = await addPasskey(made.client)
  return { ...made, recovery_codes }
}

/** What a login is refused with. */
async function firstStep(client: Client, person: { email: string; password: string }) {
  const error = await client.login(person).catch((thrown: unknown) => thrown)
  if (!(error instanceof Refused)) throw error
  return error.problem
}

const sessionIdOf = (client: Client) => {
  const snapshot = client.getSnapshot()
  return snapshot.status === 'in' ? snapshot.sessionId : snapshot.status
}

t.test('a passkey is made, and opens, finishes and proves a session without the password', async (t) => {
  const platform = platformOf(t)
  const { client, person, pass } = await app()
  const { recovery_codes = [] } = await addPasskey(client, 'a phone')
  t.equal(recovery_codes.length, 10)
  t.match(platform.dialogues, [{ kind: 'create', options: { rp: { id: 'localhost' }, user: { name: person.email } } }])
  t.match(await listFactors(client), { totp: false, passkeys: [{ name: 'a phone', last_used_at: null }] })

  const phone = newClient()
  const user = await loginWithPasskey(phone.client, { remember: true })
  t.equal(user.email, person.email)
  t.match(phone.client.getSnapshot(), { status: 'in', userId: user.id })
  t.match(await (await phone.client.fetch('/v1/sessions')).json(), { sessions: [{}, { remember: true }] })
  t.ok(await newClient({ storage: phone.storage }).client.resume())

  const laptop = newClient().client
  const problem = await firstStep(laptop, person)
  t.same(problem.factors, ['recovery_code', 'passkey'])
  platform.next(async () => ({ userHandle: null })) // as a key says it that is asked by its own id
  t.equal((await finishLoginWithPasskey(laptop, problem)).id, user.id)
  t.match(platform.dialogues.at(-1)?.options, { allowCredentials: [{ type: 'public-key', transports: ['internal'] }] })
  pass(5 * MINUTES)
  await t.rejects(addPasskey(laptop), { name: 'Refused', code: 'step_up_required' })
  await stepUpWithPasskey(laptop)
  await t.rejects(addPasskey(laptop), { name: 'InvalidStateError' }, 'this device has one')
})

t.test('a passkey is given a name, and removed; the codes go with the last', async (t) => {
  platformOf(t)
  const { client, line } = await owner()
  const id = `${(await listFactors(client)).passkeys[0]?.id}`
  t.match(await renamePasskey(client, id, 'the old phone'), { id, name: 'the old phone' })
  await t.rejects(renamePasskey(client, id, ''), { name: 'Refused', status: 400, code: 'bad_request' })
  await removePasskey(client, '../totp')
  t.match(await listFactors(client), { passkeys: [{ id }] }, 'what is no passkey is none that is there')
  line.next(`/v1/factors/passkeys/${id}`, loseAnswer)
  await t.rejects(removePasskey(client, id), Unavailable)
  await removePasskey(client, id)
  t.same(await listFactors(client), { totp: false, recovery_codes_left: 0, passkeys: [] })
})

t.test('who closes the dialogue, or has no passkey here, has sent nothing', async (t) => {
  const platform = platformOf(t)
  const { client, person, line } = await owner()
  const guest = newClient()
  const problem = await firstStep(guest.client, person)
  const deeds: readonly (() => Promise<unknown>)[] = [
    () => addPasskey(client),
    () => stepUpWithPasskey(client),
    () => loginWithPasskey(guest.client),
    () => finishLoginWithPasskey(guest.client, problem),
  ]
  const before = client.getSnapshot()
  for (const deed of deeds) {
    platform.next(cancel)
    await t.rejects(deed(), PasskeyCancelled)
  }
  platform.passkeys.splice(0)
  await t.rejects(loginWithPasskey(guest.client), PasskeyCancelled)
  t.equal(client.getSnapshot(), before)
  t.equal(line.count('/v1/factors/passkeys'), 1, 'the one before')
  const sent = ['/v1/step-up', '/v1/login/passkey', '/v1/login/second-factor']
  t.same(sent.map(line.count).concat(sent.map(guest.line.count)), [0, 0, 0, 0, 0, 0])
  t.match(await listFactors(client), { passkeys: { length: 1 } })
})

t.test('a recovery code finishes the same login after the dialogue was closed', async (t) => {
  const platform = platformOf(t)
  const { person, recovery_codes } = await owner()
  const { client } = newClient()
  const problem = await firstStep(client, person)
  platform.next(cancel)
  await t.rejects(finishLoginWithPasskey(client, problem), PasskeyCancelled)
  await finishLogin(client, { challenge: `${problem.challenge}`, recovery_code: `${recovery_codes[0]}` })
  t.equal(client.getSnapshot().status, 'in')
  await t.rejects(finishLoginWithPasskey(client, {}), TypeError, 'where no passkey can be proven')
})

t.test('passkeys are offered where a name is typed, until the page, or another dialogue, ends that', async (t) => {
  const platform = platformOf(t)
  const { person } = await owner()
  const { client } = newClient()
  const [first, second, third] = [linger(), linger(), linger()]
  const page = new AbortController()
  platform.next(first.deed)
  const offered = loginWithPasskey(client, { autofill: true, signal: page.signal })
  await first.opened
  t.match(platform.dialogues.at(-1), { mediation: 'conditional' })
  page.abort()
  await t.rejects(offered, PasskeyCancelled)
  await t.rejects(loginWithPasskey(client, { signal: page.signal }), PasskeyCancelled, 'nor begun after it')

  platform.next(second.deed)
  const overtaken = loginWithPasskey(client, { autofill: true })
  await second.opened
  const refused = t.rejects(overtaken, PasskeyCancelled)
  await loginWithPasskey(client)
  await refused
  t.equal(platform.dialogues.at(-1)?.mediation, undefined)
  await client.logout()

  platform.next(third.deed)
  const chosen = loginWithPasskey(client, { autofill: true })
  await third.opened
  third.consent()
  t.equal((await chosen).email, person.email)
})

t.test('passkeys that are offered for longer than a challenge lives are asked for anew, unseen', async (t) => {
  const platform = platformOf(t)
  const { person } = await owner()
  const { client } = newClient()
  const [first, second] = [linger(), linger()]
  const timers: (() => void)[] = []
  const real = globalThis.setTimeout
  const timer = (work: () => void, ms: number) => (ms < 9 * MINUTES ? real(work, ms) : timers.push(work))
  t.teardown(put('setTimeout', timer))
  platform.next(first.deed, second.deed)
  const offered = loginWithPasskey(client, { autofill: true })
  await first.opened
  home.clock.advance(11 * MINUTES)
  timers.shift()?.()
  await second.opened
  second.consent()
  t.equal((await offered).email, person.email)
  t.equal(platform.dialogues.length, 3, 'one was the making')
})

t.test('a second step by a passkey whose answer is lost is sent again as it was, without a dialogue', async (t) => {
  const platform = platformOf(t)
  const { person } = await owner()
  const { client, line, storage } = newClient()
  const problem = await firstStep(client, person)
  const { fate, lost } = lose()
  line.next('/v1/login/second-factor', fate, offline)
  const before = platform.dialogues.length
  await t.rejects(finishLoginWithPasskey(client, problem), Unavailable)
  await t.rejects(finishLoginWithPasskey(client, problem), Unavailable)
  await finishLoginWithPasskey(client, problem)
  t.same([sessionIdOf(client), storage.value], [lost.answer.session_id, lost.answer.refresh_token])
  t.equal(platform.dialogues.length, before + 1)
})

t.test('a passkey whose answer is lost is not made twice, and its recovery codes are not lost', async (t) => {
  const platform = platformOf(t)
  const { client, line, person } = await app()
  const { fate, lost } = lose()
  const html = '<title>Hotel Wi-Fi</title>'
  line.next('/v1/factors/passkeys', says(200, html, 'text/html'), fate)
  await t.rejects(addPasskey(client), Unavailable)
  await t.rejects(addPasskey(client), Unavailable)
  t.same(await addPasskey(client), { recovery_codes: lost.answer.recovery_codes })
  t.equal(platform.dialogues.length, 1)
  t.match(await listFactors(client), { passkeys: { length: 1 } })
  platform.passkeys.splice(0)
  t.same(await addPasskey(client), {}, 'another device is asked, and brings no new codes')
  t.match(await listFactors(client), { passkeys: { length: 2 } })
  t.equal((await loginWithPasskey(newClient().client)).email, person.email)
})

t.test('a passkey that took too long to make is added after a step-up, without another dialogue', async (t) => {
  const platform = platformOf(t)
  const { client, pass } = await app()
  platform.next(async () => pass(5 * MINUTES + 1000))
  await t.rejects(addPasskey(client), { name: 'Refused', code: 'step_up_required' })
  await client.stepUp({ password: PASSWORD })
  t.equal((await addPasskey(client)).recovery_codes?.length, 10)
  t.equal(platform.dialogues.length, 1)
})

t.test('a passkey that the service refuses is not shown again: the next call asks anew', async (t) => {
  const platform = platformOf(t)
  const { client, pass } = await app()
  platform.next(async () => pass(11 * MINUTES))
  await t.rejects(addPasskey(client), { name: 'Refused', code: 'code_invalid' }, 'its challenge is dead')
  await client.stepUp({ password: PASSWORD })
  t.equal((await addPasskey(client)).recovery_codes?.length, 10)
  t.equal(platform.dialogues.length, 2)
})

t.test('the next person’s session gets no passkey of a dialogue that was opened in the one before', async (t) => {
  const platform = platformOf(t)
  const { client, line } = await owner()
  const adding = async () => addPasskey(client)
  const proving = async () => stepUpWithPasskey(client)
  platform.passkeys.splice(0) // there would be one already
  for (const deed of [adding, proving] as readonly (() => Promise<unknown>)[]) {
    const dialogue = linger()
    platform.next(dialogue.deed)
    const counts = () => ['/v1/factors/passkeys', '/v1/step-up'].map(line.count)
    const before = counts()
    const begun = deed()
    await dialogue.opened
    const next = await client.register({
      email: `next-${process.pid}-${line.sent.length}@example.org`,
      password: PASSWORD,
    })
    const refused = t.rejects(begun, { name: 'SessionOver', reason: 'replaced' })
    dialogue.consent()
    await refused
    t.same(counts(), before)
    t.match(client.getSnapshot(), { status: 'in', userId: next.id })
    await addPasskey(client)
  }
})

t.test('a token that ends while the dialogue is open is renewed, and the passkey is added', async (t) => {
  const platform = platformOf(t)
  const { client, line, clock, person } = await app()
  await client.stepUp({ password: person.password })
  platform.next(async () => {
    home.clock.advance(4 * MINUTES + 59_000)
    clock.now += 4 * MINUTES + 59_000
    line.next('/v1/factors/passkeys', says(401, TOKEN_EXPIRED, 'application/problem+json'))
  })
  t.equal((await addPasskey(client)).recovery_codes?.length, 10)
  t.equal(line.count('/v1/refresh'), 1)
})
const TOKEN_EXPIRED = JSON.stringify({ title: 'expired', status: 401, code: 'token_expired' })

t.test('a platform without passkeys says so', async (t) => {
  t.equal(arePasskeysSupported(), false)
  t.equal(await canAutofill(), false)
  t.teardown(put('PublicKeyCredential', function PublicKeyCredential() {}))
  t.equal(arePasskeysSupported(), true)
  t.equal(await canAutofill(), false)
  t.teardown(put('PublicKeyCredential', { isConditionalMediationAvailable: async () => true }))
  t.equal(await canAutofill(), true)
})
