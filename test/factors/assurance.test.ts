import t from 'tap'
import { keys } from '../../src/store/keys.ts'
import { FLAGS } from '../support/authenticator.ts'
import { firstStep, secondStep, STEP_MS, withApp, withPasskey } from '../support/factors.ts'
import { type Answer, type CallOptions, type Newcomer, openHome } from '../support/home.ts'
import { openMailHome } from '../support/mail-home.ts'

// What docs/promises.md says of assurance levels, a test each.

const home = await openHome()
t.teardown(home.close)
const { call } = home

/** Older than a fresh proof is. */
const STALE_MS = 301_000
const NEW = 'nine blue umbrellas on the roof'
const WRONG = '77000077'

function claimsOf({ access_token }: { access_token: string }) {
  return JSON.parse(Buffer.from(access_token.split('.')[1] ?? '', 'base64url').toString())
}

async function logIn(person: Newcomer, factor: object, options: CallOptions = {}): Promise<Answer> {
  const { challenge } = await firstStep(home, person)
  return secondStep(home, challenge, factor, options)
}

async function passkeyLogin(assert: (publicKey: object) => object): Promise<Answer> {
  const { challenge, public_key } = (await call('POST', '/v1/login/passkey/options')).body
  return call('POST', '/v1/login/passkey', { body: { challenge, response: assert(public_key) } })
}

t.test('a token says what was proven, which level that is, and when; a refresh does not renew it', async (t) => {
  const me = await withApp(home)
  const now = Math.floor(home.clock.now / 1000)
  const alone = await home.newcomer()
  t.match(claimsOf(alone), { amr: ['pwd'], acr: 'aal1', auth_time: now })
  const { body } = await logIn(me, { totp: me.app.code() })
  t.match(claimsOf(body), { amr: ['pwd', 'otp', 'mfa'], acr: 'aal2', auth_time: now })
  const recovered = await logIn(me, { recovery_code: me.recovery_codes[0] })
  t.strictSame([claimsOf(recovered.body).amr, claimsOf(recovered.body).acr], [['pwd', 'mfa'], 'aal2'])
  const owner = await withPasskey(home)
  const { body: opened } = await passkeyLogin(owner.passkey.assert)
  t.strictSame([claimsOf(opened).amr, claimsOf(opened).acr], [['pop', 'mfa'], 'aal2'])
  const asked = await firstStep(home, owner)
  const both = await secondStep(home, asked['challenge'], { passkey: owner.passkey.assert(asked['public_key']) })
  t.strictSame([claimsOf(both.body).amr, claimsOf(both.body).acr], [['pwd', 'pop', 'mfa'], 'aal2'])
  home.clock.advance(STALE_MS)
  const refreshed = await call('POST', '/v1/refresh', { body: { refresh_token: body.refresh_token } })
  t.match(claimsOf(refreshed.body), { acr: 'aal2', auth_time: now })
})

t.test('where a second factor is required, a password reaches what enrols one, and nothing else', async (t) => {
  const strict = await openHome({ SECOND_FACTOR: 'required' })
  t.teardown(strict.close)
  const me = await strict.newcomer({ password: 'kq7w2zmp' })
  const { access_token: token, refresh_token } = me
  for (const path of ['/v1/me', '/v1/factors']) t.equal((await strict.call('GET', path, { token })).status, 200, path)
  t.equal((await strict.call('POST', '/v1/refresh', { body: { refresh_token } })).status, 200)
  const closed = ['/v1/verify', '/v1/sessions', '/v1/me/events', '/v1/session/data', '/v1/me/preferences']
  const refused = { status: 403, body: { code: 'step_up_required', factors: [] } }
  for (const path of closed) t.match(await strict.call('GET', path, { token }), refused, path)
  const stepped = await strict.call('POST', '/v1/step-up', { token, body: { password: 'kq7w2zmp' } })
  t.match(await strict.call('GET', '/v1/verify', { token: stepped.body.access_token }), refused)
  const owner = await withApp(strict, me)
  for (const path of closed) t.ok((await strict.call('GET', path, { token: owner.access_token })).status < 300, path)
  t.match(await strict.call('DELETE', '/v1/factors/totp', { token: owner.access_token }), { status: 409 })
})

t.test('address, password, factors and account are changed only soon after a second factor was proven', async (t) => {
  const mailing = await openMailHome(t)
  const before = await mailing.newcomer()
  const { app, ...person } = await withApp(mailing, before)
  const me = await withPasskey(mailing, { me: person })
  const changes: [method: string, path: string, body?: object][] = [
    ['POST', '/v1/email/change', { new_email: 'another@example.org' }],
    ['POST', '/v1/password', { current_password: me.password, new_password: NEW }],
    ['POST', '/v1/factors/totp'],
    ['POST', '/v1/factors/passkeys/options'],
    ['POST', '/v1/factors/recovery-codes', { request_id: 'one' }],
    ['DELETE', `/v1/factors/passkeys/${me.passkeyId}`],
    ['DELETE', '/v1/factors/totp'],
    ['DELETE', '/v1/me', { password: me.password }],
  ]
  const old = await mailing.call('POST', '/v1/factors/passkeys/options', { token: before.access_token })
  t.match(old, { status: 403, body: { code: 'step_up_required' } }, 'fresh, and of before the second factor')
  mailing.clock.advance(STALE_MS)
  const { body } = await mailing.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
  const token = body.access_token
  const ask = { max_age: 300, factors: ['totp', 'recovery_code', 'passkey'] }
  for (const [method, path, sent] of changes) {
    const answer = await mailing.call(method, path, { token, ...(sent && { body: sent }) })
    t.match(answer, { status: 403, body: { code: 'step_up_required', ...ask } }, `${method} ${path}`)
  }
  const stepUp = (sent: object) => mailing.call('POST', '/v1/step-up', { token, body: sent })
  t.match(await stepUp({ password: me.password }), { status: 403, body: { code: 'step_up_required' } })
  const fresh = (await stepUp({ totp: app.code() })).body.access_token
  for (const [method, path, sent] of [changes[0], ...changes.slice(2)] as typeof changes) {
    const { status } = await mailing.call(method, path, { token: fresh, ...(sent && { body: sent }) })
    t.ok(status < 300, `${method} ${path}`)
  }
})

t.test('a person sees and ends sessions of their own, and nobody else’s, without a fresh proof', async (t) => {
  const [me, other] = [await home.newcomer(), await home.newcomer()]
  const { email, password } = me
  const phone = (await call('POST', '/v1/login', { body: { email, password } })).body
  home.clock.advance(STALE_MS)
  const refreshed = await call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
  const token = refreshed.body.access_token
  const { sessions } = (await call('GET', '/v1/sessions', { token })).body
  t.strictSame(new Set(sessions.map(({ id }: { id: string }) => id)), new Set([me.session_id, phone.session_id]))
  t.equal((await call('DELETE', `/v1/sessions/${other.session_id}`, { token })).status, 404)
  t.equal((await call('DELETE', `/v1/sessions/${phone.session_id}`, { token })).status, 204)
  t.equal((await call('GET', '/v1/verify', { token: phone.access_token })).status, 401)
})

t.test('a code of an app and a recovery code let in once', async (t) => {
  const me = await withApp(home)
  for (const factor of [{ totp: me.app.code() }, { recovery_code: me.recovery_codes[0] }]) {
    t.equal((await logIn(me, factor)).status, 200)
    t.match(await logIn(me, factor), { status: 401, body: { code: 'bad_credentials' } })
  }
})

t.test('a code of an app is good in its 30 seconds, in those before and in those after', async (t) => {
  const me = await withApp(home)
  home.clock.advance(STEP_MS)
  for (const [steps, status] of [
    [-2, 401],
    [2, 401],
    [-1, 200],
    [0, 200],
    [1, 200],
  ] as const)
    t.equal((await logIn(me, { totp: me.app.code(steps) })).status, status, `${steps}`)
})

t.test(
  'the record of an account has no secret of an app and no recovery code, and no two accounts share one',
  async (t) => {
    const people = [await withApp(home), await withApp(home)]
    const secrets = people.flatMap(({ app, recovery_codes }) => [app.secret, ...recovery_codes])
    t.equal(new Set(secrets).size, 22)
    for (const { app, recovery_codes, user } of people) {
      t.match(app.secret, /^[A-Z2-7]{32}$/, '160 bits')
      for (const code of recovery_codes) t.match(code, /^[\dA-HJKMNP-TV-Z]{5}-[\dA-HJKMNP-TV-Z]{5}$/, '50 bits')
      const record = JSON.stringify(await home.deps.store.get(keys.user(user.id)))
      t.ok(record.includes('recoveryCodes'))
      for (const secret of secrets.flatMap((text) => [text, text.replace('-', '')])) t.notOk(record.includes(secret))
    }
  },
)

t.test('a password that is set anew by mail lets nobody past the second factor', async (t) => {
  const mailing = await openMailHome(t)
  const person = await mailing.newcomer()
  const { access_token: token, email } = person
  const letter = await mailing.letterAfter(email, () =>
    mailing.call('POST', '/v1/email/verification', { token, body: {} }),
  )
  await mailing.call('POST', '/v1/email/verify', { token, body: { token: letter.token } })
  const me = await withApp(mailing, person)
  const reset = await mailing.forgot(email)
  const body = { token: reset.token, new_password: NEW }
  t.equal((await mailing.call('POST', '/v1/password/reset', { body })).status, 204)
  const asked = await firstStep(mailing, { email, password: NEW })
  t.equal(asked['code'], 'second_factor_required')
  t.equal((await secondStep(mailing, asked['challenge'], { totp: me.app.code() })).status, 200)
})

t.test('a stranger who has the password guesses twenty codes a day, and the owner gets in all the same', async (t) => {
  const me = await withApp(home)
  const { challenge } = await firstStep(home, me)
  const guess = (turn: number) => secondStep(home, challenge, { totp: WRONG }, { ip: `203.0.113.${turn}` })
  for (let turn = 0; turn < 20; turn += 1) t.equal((await guess(turn)).status, 401)
  t.match(await guess(20), { status: 429, body: { code: 'too_many_requests' } })
  t.equal((await logIn(me, { totp: me.app.code() })).status, 200)
})

t.test('a passkey proves nothing to another page, nor without its person, nor once it is removed', async (t) => {
  const me = await withPasskey(home, { me: await withApp(home) })
  const { passkey, access_token: token } = me
  const lies = [
    { origin: 'https://auth.example.evil' },
    { rpId: 'example.evil' },
    { flags: FLAGS.UP },
    { crossOrigin: true },
  ]
  for (const lie of lies)
    t.match(await passkeyLogin((options) => passkey.assert(options, lie)), {
      status: 401,
      body: { code: 'bad_credentials' },
    })
  t.equal((await passkeyLogin(passkey.assert)).status, 200)
  t.equal((await call('DELETE', `/v1/factors/passkeys/${me.passkeyId}`, { token })).status, 204)
  t.equal((await passkeyLogin(passkey.assert)).status, 401)
})
