import t from 'tap'
import { makePasskey } from '../support/authenticator.ts'
import { appOf, authTime, creationOptions, firstStep, secondStep, withApp, withPasskey } from '../support/factors.ts'
import { openMailHome } from '../support/mail-home.ts'

// What wants a fresh proof, and what makes one.

const STALE_MS = 301_000
const NEXT = 'nine blue umbrellas on the roof'

const home = await openMailHome(t)
type Ask = readonly [method: string, path: string, body?: object]
const ask = (token: string, [method, path, body]: Ask) => home.call(method, path, { token, ...(body && { body }) })
const refresh = async ({ refresh_token }: { refresh_token: string }) =>
  (await home.call('POST', '/v1/refresh', { body: { refresh_token } })).body
const titleOf = ([method, path]: Ask) => `${method} ${path}`

t.test(
  'without a factor an old login enrols none and moves no address, until the password is shown again',
  async (t) => {
    const me = await home.newcomer()
    const { secret } = (await ask(me.access_token, ['POST', '/v1/factors/totp'])).body
    const { response } = makePasskey(await creationOptions(home, me.access_token))
    home.clock.advance(STALE_MS)
    const { access_token: stale, refresh_token } = await refresh(me)
    const asks: readonly Ask[] = [
      ['POST', '/v1/factors/totp'],
      ['POST', '/v1/factors/totp/confirm', { code: appOf(home, secret).code() }],
      ['DELETE', '/v1/factors/totp'],
      ['POST', '/v1/factors/recovery-codes', { request_id: 'one' }],
      ['POST', '/v1/factors/passkeys/options'],
      ['DELETE', '/v1/factors/passkeys/none'],
      ['POST', '/v1/email/change', { new_email: 'another@example.org' }],
      ['POST', '/v1/factors/passkeys', { response }],
    ]
    const refused = { status: 403, body: { code: 'step_up_required', max_age: 300, factors: [] } }
    for (const each of asks) t.match(await ask(stale, each), refused, titleOf(each))
    t.match((await ask(stale, ['GET', '/v1/factors'])).body, { totp: false, passkeys: [] })

    const before = authTime(stale)
    t.match(await ask(stale, ['POST', '/v1/step-up', { password: 'not the password at all' }]), {
      status: 403,
      body: { code: 'wrong_password' },
    })
    const { access_token: fresh } = (await ask(stale, ['POST', '/v1/step-up', { password: me.password }])).body
    t.equal(authTime(fresh), before + STALE_MS / 1000)
    t.equal(authTime((await refresh({ refresh_token })).access_token), before + STALE_MS / 1000, 'the session has it')
    for (const each of asks.filter(([, path]) => !path.endsWith('/confirm'))) {
      const { status, body } = await ask(fresh, each)
      t.not(status, 403, `${titleOf(each)} ${body.code ?? ''}`)
    }
  },
)

t.test('without a factor the password in the body is enough to change it, and to leave', async (t) => {
  const me = await home.newcomer()
  home.clock.advance(STALE_MS)
  const { access_token } = await refresh(me)
  const body = { current_password: me.password, new_password: NEXT }
  const changed = await ask(access_token, ['POST', '/v1/password', body])
  t.equal(changed.status, 200)
  t.equal((await ask(changed.body.access_token, ['DELETE', '/v1/me', { password: NEXT }])).status, 204)
})

t.test('with a factor an old proof is too old at each of them, however the session was opened', async (t) => {
  const app = await withApp(home)
  const owner = await withPasskey(home, { me: app })
  const { secret } = (await ask(owner.access_token, ['POST', '/v1/factors/totp'])).body
  const { response } = makePasskey(await creationOptions(home, owner.access_token))
  home.clock.advance(STALE_MS)
  const { access_token: stale } = await refresh(owner)
  const asks: readonly Ask[] = [
    ['POST', '/v1/factors/totp/confirm', { code: appOf(home, secret).code() }],
    ['POST', '/v1/factors/passkeys', { response }],
    ['POST', '/v1/password', { current_password: owner.password, new_password: NEXT }],
    ['DELETE', '/v1/me', { password: owner.password }],
  ]
  const factors = ['totp', 'recovery_code', 'passkey']
  const refused = { status: 403, body: { code: 'step_up_required', max_age: 300, factors } }
  for (const each of asks) t.match(await ask(stale, each), refused, titleOf(each))
  const named = await ask(stale, ['PATCH', `/v1/factors/passkeys/${owner.passkeyId}`, { name: 'My phone' }])
  t.equal(named.status, 200, 'a name matters to nobody')

  const totp = app.app.code()
  const [first, again] = [
    await ask(stale, ['POST', '/v1/step-up', { totp }]),
    await ask(stale, ['POST', '/v1/step-up', { totp }]),
  ]
  t.match([first.status, again.status], [200, 200])
  t.equal(again.body.refresh_token, first.body.refresh_token)
  t.equal(authTime(again.body.access_token), authTime(first.body.access_token))
  t.equal((await secondStep(home, (await firstStep(home, app))['challenge'], { totp })).status, 401, 'it is spent')
})
