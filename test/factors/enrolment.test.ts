import t from 'tap'
import { appOf, authTime, firstStep, secondStep, withApp } from '../support/factors.ts'
import { openAdminHome } from '../support/admin.ts'
import { INVALID, isAlive, login, type MailStories, playOnBothStores } from '../support/mail-home.ts'

// A person enrols a factor, loses the answer, changes their mind.

const STEP_UP = { status: 403, body: { code: 'step_up_required', max_age: 300 } }

const STORIES: MailStories = {
  'two tabs that enrol at once are given one secret, and the code that confirms it opens no session': async (
    t,
    home,
  ) => {
    const me = await home.newcomer()
    const token = me.access_token
    const begun = await Promise.all([1, 2, 3].map(async () => home.call('POST', '/v1/factors/totp', { token })))
    t.equal(new Set(begun.map(({ body }) => body.secret)).size, 1)
    t.match(begun[0]?.body.uri, /^otpauth:\/\/totp\/Latchkey:newcomer/)
    const app = appOf(home, begun[0]?.body.secret)
    t.equal((await login(home, me.email, me.password)).status, 200, 'nothing is asked for before it is confirmed')
    t.match(await home.call('POST', '/v1/factors/totp/confirm', { token, body: { code: '000000' } }), INVALID)
    const code = app.code()
    t.equal((await home.call('POST', '/v1/factors/totp/confirm', { token, body: { code } })).status, 200)
    const { challenge } = await firstStep(home, me)
    t.equal((await secondStep(home, challenge, { totp: code })).status, 401)
    t.equal((await secondStep(home, challenge, { totp: app.code(1) })).status, 200)
  },

  'enrolment ends every other session and leaves the caller’s tokens good; a lost answer is given again': async (
    t,
    home,
  ) => {
    const me = await home.newcomer()
    const other = (await login(home, me.email, me.password)).body
    const token = me.access_token
    const { secret } = (await home.call('POST', '/v1/factors/totp', { token })).body
    const body = { code: appOf(home, secret).code() }
    const confirm = async (by = token) => home.call('POST', '/v1/factors/totp/confirm', { token: by, body })
    home.clock.advance(10_000)
    const first = await confirm()
    t.equal(authTime(first.body.access_token) - authTime(token), 10, 'it proves who is there')
    t.equal(first.body.recovery_codes.length, 10)
    t.match(await home.call('POST', '/v1/refresh', { body: { refresh_token: other.refresh_token } }), {
      status: 401,
      body: { code: 'session_over', reason: 'factor_changed' },
    })
    t.equal((await home.call('GET', '/v1/verify', { token })).status, 204, 'the old token')
    for (const by of [token, first.body.access_token])
      t.match(await confirm(by), { status: 200, body: { recovery_codes: first.body.recovery_codes } })
    t.strictSame(await isAlive(home, { ...me, ...first.body }), [true, true])
    home.clock.advance(15 * 60_000)
    const refreshed = await home.call('POST', '/v1/refresh', { body: { refresh_token: first.body.refresh_token } })
    if (home.deps.config.REDIS_URL === undefined)
      t.notSame((await confirm(refreshed.body.access_token)).status, 200, 'not for longer than 15 minutes') // Redis has a clock of its own
    t.equal(home.events('factor.added').length, 1)
    t.equal((await home.mailsTo(me.email, 1)).length, 1)
  },

  'who removes the app has also given up the one that was to take its place': async (t, home) => {
    const { access_token: token } = await withApp(home)
    const begin = async () => (await home.call('POST', '/v1/factors/totp', { token })).body.secret
    const given = await begin()
    t.equal(await begin(), given)
    t.equal((await home.call('DELETE', '/v1/factors/totp', { token })).status, 204)
    t.not(await begin(), given)
  },

  'an enrolment and a refresh at once lose neither the factor nor the session': async (t, home) => {
    for (let turn = 0; turn < 10; turn += 1) {
      const { access_token: token, refresh_token } = await home.newcomer()
      const { secret } = (await home.call('POST', '/v1/factors/totp', { token })).body
      const body = { code: appOf(home, secret).code() }
      const [confirmed, refreshed] = await Promise.all([
        home.call('POST', '/v1/factors/totp/confirm', { token, body }),
        home.call('POST', '/v1/refresh', { body: { refresh_token } }),
      ])
      t.strictSame([confirmed.status, refreshed.status], [200, 200])
      const again = await home.call('POST', '/v1/refresh', { body: { refresh_token: refreshed.body.refresh_token } })
      t.equal(again.status, 200)
      t.match(await home.call('GET', '/v1/factors', { token: again.body.access_token }), { body: { totp: true } })
    }
  },

  'a token of before the enrolment changes nothing that matters beside a factor': async (t, home) => {
    const me = await home.newcomer()
    const old = me.access_token
    const owner = await withApp(home, me)
    const asks: [string, string, object?][] = [
      ['POST', '/v1/factors/totp'],
      ['DELETE', '/v1/factors/totp'],
      ['POST', '/v1/factors/passkeys/options'],
      ['POST', '/v1/factors/recovery-codes', { request_id: 'thief' }],
      ['POST', '/v1/email/change', { new_email: 'thief@example.org' }],
      ['POST', '/v1/password', { current_password: me.password, new_password: 'nine blue umbrellas on the roof' }],
      ['DELETE', '/v1/me', { password: me.password }],
      ['POST', '/v1/step-up', { password: me.password }],
    ]
    for (const [method, path, body] of asks)
      t.match(await home.call(method, path, { token: old, body }), STEP_UP, `${method} ${path}`)
    const totp = owner.app.code()
    const stepped = await home.call('POST', '/v1/step-up', { token: old, body: { totp } })
    t.match(
      await home.call('POST', '/v1/step-up', { token: old, body: { totp } }),
      { status: 200 },
      'the answer was lost',
    )
    t.equal((await home.call('DELETE', '/v1/factors/totp', { token: stepped.body.access_token })).status, 204)
    t.equal((await home.call('DELETE', '/v1/factors/totp', { token: stepped.body.access_token })).status, 204)
    t.equal((await login(home, me.email, me.password)).status, 200)
  },

  'new recovery codes: the same request gives the same ones until one is used, and those of before are dead': async (
    t,
    home,
  ) => {
    const me = await withApp(home)
    const renew = async (request_id: string) =>
      home.call('POST', '/v1/factors/recovery-codes', { token: me.access_token, body: { request_id } })
    const [first, again] = [await renew('one'), await renew('one')]
    t.equal(first.status, 200)
    t.strictSame(again.body, first.body)
    const { challenge } = await firstStep(home, me)
    t.equal((await secondStep(home, challenge, { recovery_code: me.recovery_codes[0] })).status, 401)
    t.equal((await secondStep(home, challenge, { recovery_code: first.body.recovery_codes[0] })).status, 200)
    t.match(await renew('one'), INVALID)
    const second = await renew('two')
    t.notSame(second.body, first.body)
    t.match(await renew('one'), INVALID, 'a late request brings no dead codes back')
    t.strictSame((await renew('two')).body, second.body)
  },
}

t.test('on both stores', async (t) => playOnBothStores(t, STORIES))

t.test(
  'the operator removes the factors of somebody who has lost them: a password lets in again, and every session ends',
  async (t) => {
    const home = await openAdminHome(t)
    const me = await withApp(home)
    const path = `/admin/v1/users/${me.user.id}`
    t.match((await home.admin('GET', path)).body.factors, { totp: true, passkeys: 0, recovery_codes_left: 10 })
    t.equal((await home.admin('DELETE', `${path}/factors`)).status, 204)
    t.equal((await home.admin('DELETE', `${path}/factors`)).status, 204)
    t.match((await home.admin('GET', path)).body, { sessions: 0, factors: { totp: false, recovery_codes_left: 0 } })
    t.strictSame(await isAlive(home, me), [false, false])
    t.equal((await login(home, me.email, me.password)).status, 200)
    t.equal(home.events('factor.removed').length, 2, 'the app and the codes, once')
    t.equal((await home.admin('DELETE', '/admin/v1/users/nobody/factors')).status, 404)
  },
)
