import t from 'tap'
import { openAdminHome } from '../support/admin.ts'
import type { SoftPasskey } from '../support/authenticator.ts'
import { askForPasskey, firstStep, passkeyLogin, secondStep, withApp, withPasskey } from '../support/factors.ts'
import { type Answer, openHome } from '../support/home.ts'
import { eventually } from '../support/settle.ts'

const home = await openHome()
t.teardown(home.close)
const { call } = home

const REFUSED = { status: 401, body: { code: 'bad_credentials' } }
const SAME_SITE = { 'sec-fetch-site': 'same-origin' }

const claimsOf = ({ body }: Answer) => JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString())
const isAlive = async (token: string) => (await call('GET', '/v1/verify', { token })).status === 204
const log = (challenge: string, response: object, more: object = {}) =>
  call('POST', '/v1/login/passkey', { body: { challenge, response, ...more } })

t.test('a passkey is asked for without a name, and says whose it is', async (t) => {
  const me = await withPasskey(home)
  const { public_key } = await askForPasskey(home)
  t.match(public_key, { allowCredentials: [], userVerification: 'required', rpId: 'localhost' })
  const opened = await passkeyLogin(home, me.passkey)
  t.match(opened, { status: 200, body: { user: { id: me.user.id }, refresh_token: String } })
  t.match(claimsOf(opened), { sub: me.user.id, amr: ['pop', 'mfa'], acr: 'aal2' })
  t.not(opened.body.session_id, me.session_id)
})

t.test('a passkey is the second step, and then it need not say whose it is', async (t) => {
  const me = await withPasskey(home)
  const asked = await firstStep(home, me)
  t.match(asked['public_key'], { allowCredentials: [{ id: me.passkey.id }], userVerification: 'required' })
  const passkey = me.passkey.assert(asked['public_key'], { userHandle: null })
  const opened = await secondStep(home, asked['challenge'], { passkey })
  t.match(claimsOf(opened), { amr: ['pwd', 'pop', 'mfa'], acr: 'aal2' })
})

t.test('a passkey is the proof of a step-up: the session is as strong as all that it has proven', async (t) => {
  const me = await withPasskey(home)
  const asked = await firstStep(home, me)
  const opened = await secondStep(home, asked['challenge'], { recovery_code: me.recovery_codes[0] })
  t.match(claimsOf(opened), { amr: ['pwd', 'mfa'] })
  home.clock.advance(100_000)
  const token = opened.body.access_token
  const { challenge, public_key } = await askForPasskey(home, token)
  const body = { challenge, passkey: me.passkey.assert(public_key) }
  const stepped = await call('POST', '/v1/step-up', { token, body })
  t.match(stepped, { status: 200, body: { session_id: opened.body.session_id } })
  t.match(claimsOf(stepped), { amr: ['pwd', 'pop', 'mfa'], acr: 'aal2', auth_time: Math.floor(home.clock.now / 1000) })
  home.clock.advance(10_000)
  const again = await call('POST', '/v1/step-up', { token, body })
  t.equal(again.status, 200)
  t.equal(claimsOf(again).auth_time, claimsOf(stepped).auth_time, 'an answer that was lost proves nothing anew')
})

t.test('an assertion again gives the session that it opened, until one of its tokens has come back', async (t) => {
  const me = await withPasskey(home)
  const doors: Record<string, () => Promise<() => Promise<Answer>>> = {
    async alone() {
      const { challenge, public_key } = await askForPasskey(home)
      const response = me.passkey.assert(public_key)
      return () => log(challenge, response)
    },
    async 'second step'() {
      const { challenge, public_key } = await firstStep(home, me)
      const passkey = me.passkey.assert(public_key)
      return () => secondStep(home, challenge, { passkey })
    },
  }
  for (const [door, prepare] of Object.entries(doors)) {
    const send = await prepare()
    const opened = await send()
    t.equal(opened.status, 200, door)
    for (let turn = 0; turn < 2; turn += 1) {
      const again = await send()
      t.match(again, { status: 200, body: { refresh_token: opened.body.refresh_token } })
    }
    t.ok(await isAlive(opened.body.access_token))
    const refused = await eventually(async () => (await send()).status !== 200 && send(), { within: 5000 })
    t.match(refused, REFUSED, `${door}: the token was used`)
    t.ok(await isAlive(opened.body.access_token), 'which ends nothing')
    const next = await prepare()
    const { refresh_token } = (await next()).body
    await call('POST', '/v1/refresh', { body: { refresh_token } })
    t.match(await next(), REFUSED, `${door}: the session was refreshed`)
  }
})

t.test(
  'a challenge is answered once: neither another assertion nor another passkey opens a session by it',
  async (t) => {
    const first = await withPasskey(home)
    const me = await withPasskey(home, { me: first })
    const passkeys: SoftPasskey[] = [first.passkey, me.passkey]
    const { challenge, public_key } = await askForPasskey(home)
    t.equal((await log(challenge, first.passkey.assert(public_key))).status, 200)
    for (const passkey of passkeys) t.match(await log(challenge, passkey.assert(public_key)), REFUSED)
    const asked = await firstStep(home, me)
    const send = ({ assert }: SoftPasskey) =>
      secondStep(home, asked['challenge'], { passkey: assert(asked['public_key']) })
    t.equal((await send(me.passkey)).status, 200)
    for (const passkey of passkeys) t.match(await send(passkey), REFUSED)
  },
)

t.test(
  'in cookie mode the refresh token is in the cookie alone, and the session of the cookie before ends',
  async (t) => {
    const me = await withPasskey(home)
    const cookie = async (door: (options: object) => Promise<Answer>, before: string | null) => {
      const opened = await door({ headers: { ...SAME_SITE, ...(before && { cookie: before }) } })
      t.equal(opened.status, 200)
      t.notOk('refresh_token' in opened.body)
      const [set = ''] = [opened.headers['set-cookie']].flat()
      t.match(set, /^__Host-refresh_token=[^;]+; .*HttpOnly/)
      return { opened, cookie: set.split(';')[0] }
    }
    const body = { transport: 'cookie' }
    const alone = (options: object) => passkeyLogin(home, me.passkey, {}, { body, ...options })
    const second = async (options: object) => {
      const { challenge, public_key } = (
        await call('POST', '/v1/login', {
          body: { email: me.email, password: me.password, ...body },
          headers: SAME_SITE,
        })
      ).body
      return secondStep(home, challenge, { passkey: me.passkey.assert(public_key) }, options)
    }
    let before: { opened: Answer; cookie: string | undefined } | null = null
    for (const door of [alone, alone, second, second]) {
      const next: { opened: Answer; cookie: string | undefined } = await cookie(door, before?.cookie ?? null)
      if (before !== null) t.notOk(await isAlive(before.opened.body.access_token))
      t.ok(await isAlive(next.opened.body.access_token))
      before = next
    }
    const foreign = { headers: { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' } }
    for (const door of [alone, second]) t.match(await door(foreign), { status: 403, body: { code: 'cross_site' } })
  },
)

t.test('a session is given again only in the transport that it was opened for', async (t) => {
  const me = await withPasskey(home)
  const { challenge, public_key } = await askForPasskey(home)
  const response = me.passkey.assert(public_key)
  const body = { challenge, response }
  const opened = await call('POST', '/v1/login/passkey', { body: { ...body, transport: 'cookie' }, headers: SAME_SITE })
  t.equal(opened.status, 200)
  const foreign = await call('POST', '/v1/login/passkey', { body, headers: { 'sec-fetch-site': 'cross-site' } })
  t.match(foreign, REFUSED, 'another page would put somebody into a session of its own')
  t.notOk('set-cookie' in foreign.headers)
})

t.test('remember is as it was asked for', async (t) => {
  const me = await withPasskey(home)
  const opened = await passkeyLogin(home, me.passkey, {}, { body: { remember: true } })
  t.equal(opened.body.refresh_expires_in, 14 * 24 * 3600)
  t.equal((await passkeyLogin(home, me.passkey)).body.refresh_expires_in, 30 * 60)
})

t.test('who may not come in any more is told so, but only after a right proof', async (t) => {
  const operated = await openAdminHome(t)
  const me = await withPasskey(operated, { me: await withApp(operated) })
  const asked = await firstStep(operated, me)
  await operated.admin('PUT', `/admin/v1/users/${me.user.id}/disabled`, { body: {} })
  const disabled = { status: 403, body: { code: 'account_disabled' } }
  t.match(await passkeyLogin(operated, me.passkey), disabled)
  t.match(await passkeyLogin(operated, me.passkey, { origin: 'https://evil.example' }), REFUSED)
  const { email, password } = me
  t.match(await operated.call('POST', '/v1/login', { body: { email, password } }), disabled)
  t.match(await operated.call('POST', '/v1/login', { body: { email, password: 'wrong, and long enough' } }), REFUSED)
  const dead = await secondStep(operated, asked['challenge'], { passkey: me.passkey.assert(asked['public_key']) })
  t.match(dead, { status: 400, body: { code: 'code_invalid' } })
  await operated.admin('DELETE', `/admin/v1/users/${me.user.id}/disabled`)
  t.equal((await passkeyLogin(operated, me.passkey)).status, 200)
})
