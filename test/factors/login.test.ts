import t from 'tap'
import { firstStep, secondStep, withApp, withPasskey } from '../support/factors.ts'
import { openHome } from '../support/home.ts'

t.test('with an app enrolled, a password alone opens nothing, and a code of the app does', async (t) => {
  const home = await openHome()
  t.teardown(home.close)
  const me = await withApp(home)
  t.equal(me.recovery_codes.length, 10)
  const asked = await firstStep(home, me)
  t.match(asked, { code: 'second_factor_required', factors: ['totp', 'recovery_code'], challenge: String })
  t.notOk('public_key' in asked)
  const opened = await secondStep(home, asked['challenge'], { totp: me.app.code() })
  t.match(opened, { status: 200, body: { access_token: String, refresh_token: String, user: { id: me.user.id } } })
  const again = await secondStep(home, asked['challenge'], { totp: me.app.code() })
  t.match(again, { status: 200, body: { refresh_token: opened.body.refresh_token } })
  t.equal((await home.call('GET', '/v1/verify', { token: opened.body.access_token })).status, 204)
  const claims = JSON.parse(Buffer.from(opened.body.access_token.split('.')[1], 'base64url').toString())
  t.match(claims, { amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' })
})

t.test('a passkey logs in without a password', async (t) => {
  const home = await openHome()
  t.teardown(home.close)
  const me = await withPasskey(home)
  t.equal(me.recovery_codes.length, 10)
  const { body } = await home.call('POST', '/v1/login/passkey/options')
  const response = me.passkey.assert(body.public_key)
  const opened = await home.call('POST', '/v1/login/passkey', { body: { challenge: body.challenge, response } })
  t.match(opened, { status: 200, body: { access_token: String } })
  const asked = await firstStep(home, me)
  t.match(asked, { factors: ['recovery_code', 'passkey'], public_key: { allowCredentials: [{ id: me.passkey.id }] } })
  const second = await secondStep(home, asked['challenge'], { passkey: me.passkey.assert(asked['public_key']) })
  t.match(second, { status: 200 }, JSON.stringify(second.body))
  const step = await home.call('POST', '/v1/step-up/options', { token: me.access_token })
  const passkey = me.passkey.assert(step.body.public_key)
  const stepped = await home.call('POST', '/v1/step-up', {
    token: me.access_token,
    body: { challenge: step.body.challenge, passkey },
  })
  t.match(stepped, { status: 200 }, JSON.stringify(stepped.body))
})
