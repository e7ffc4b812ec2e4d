import t from 'tap'
import { INVALID, isAlive, login, type MailHome, type MailStories, playOnBothStores } from '../support/mail-home.ts'

// A person who has lost the password gets back in by mail.

const NEW = 'nine blue umbrellas on the roof'
const MINUTE = 60_000

const reset = (home: MailHome, body: object) => home.call('POST', '/v1/password/reset', { body })

const STORIES: MailStories = {
  'the person is back in, and every token of before is dead at the moment of the 204': async (t, home) => {
    const me = await home.newcomer()
    const elsewhere = (await login(home, me.email, me.password)).body
    const { token } = await home.forgot(me.email)
    t.strictSame(await isAlive(home, me), [true, true], 'asking for a mail changes nothing')
    const done = await reset(home, { token, new_password: NEW })
    t.equal(done.status, 204)
    t.equal(done.body, '')
    t.notOk(done.headers['set-cookie'], 'no session opens')
    for (const session of [me, elsewhere]) {
      const verified = await home.call('GET', '/v1/verify', { token: session.access_token })
      t.match(verified, { status: 401, body: { code: 'token_revoked' } })
      const refreshed = await home.call('POST', '/v1/refresh', { body: { refresh_token: session.refresh_token } })
      t.match(refreshed, { status: 401, body: { code: 'session_over', reason: 'password_reset' } })
    }
    t.equal((await login(home, me.email, me.password)).status, 401)
    const back = await login(home, me.email, NEW)
    t.equal(back.status, 200)
    t.match(claimsOf(back.body.access_token), { email_verified: true, sub: me.user.id })
    t.match(home.events('password.reset'), [{ user_id: me.user.id }])
  },

  'whoever lost the answer sends the same again; with another password, or later, it is refused': async (t, home) => {
    const me = await home.newcomer()
    const { token, code } = await home.forgot(me.email)
    t.equal((await reset(home, { token, new_password: NEW })).status, 204)
    const back = (await login(home, me.email, NEW)).body
    t.equal((await reset(home, { token, new_password: NEW })).status, 204)
    t.equal((await reset(home, { email: me.email, code, new_password: NEW })).status, 204)
    t.strictSame(await isAlive(home, back), [true, true], 'nothing is done twice')
    t.match(await reset(home, { token, new_password: `${NEW} and more` }), INVALID)
    home.clock.advance(15 * MINUTE)
    t.match(await reset(home, { token, new_password: NEW }), INVALID)
  },

  'of fifty resets at once with one token and different passwords one wins, and its password works': async (
    t,
    home,
  ) => {
    const me = await home.newcomer()
    const { token } = await home.forgot(me.email)
    const passwords = Array.from({ length: 50 }, (_, turn) => `${NEW} ${turn}`)
    const answers = await Promise.all(passwords.map((new_password) => reset(home, { token, new_password })))
    const won = passwords.filter((_, turn) => answers[turn]?.status === 204)
    t.equal(won.length, 1)
    t.ok(answers.every(({ status }) => [204, 400, 503].includes(status)))
    t.equal((await login(home, me.email, won[0] ?? '')).status, 200)
  },

  'the code does it too, with the address in any spelling': async (t, home) => {
    const me = await home.newcomer()
    const asked = { body: { email: me.email.toUpperCase() } }
    const { code } = await home.letterAfter(me.email, () => home.call('POST', '/v1/password/forgot', asked))
    t.match(await reset(home, { email: 'other@example.org', code, new_password: NEW }), INVALID)
    t.equal((await reset(home, { email: ` ${me.email.toUpperCase()} `, code, new_password: NEW })).status, 204)
    t.equal((await login(home, me.email, NEW)).status, 200)
  },

  'a password that is not acceptable uses nothing up': async (t, home) => {
    const me = await home.newcomer()
    const { token } = await home.forgot(me.email)
    const refused = await reset(home, { token, new_password: 'short' })
    t.match(refused, { status: 422, body: { code: 'password_unacceptable' } })
    t.match(await reset(home, { token: token.replace(/^./, 'B'), new_password: 'short' }), INVALID)
    t.strictSame(await isAlive(home, me), [true, true])
    t.equal((await reset(home, { token, new_password: NEW })).status, 204)
  },

  'a second mail has the secret of the first, and both work until one is used': async (t, home) => {
    const me = await home.newcomer()
    const [first, second] = [await home.forgot(me.email), await home.forgot(me.email)]
    t.strictSame([first.token, first.code], [second.token, second.code])
    t.equal((await reset(home, { token: first.token, new_password: NEW })).status, 204)
    const third = await home.forgot(me.email)
    t.not(third.token, first.token)
    t.equal((await reset(home, { token: third.token, new_password: `${NEW} again` })).status, 204)
  },

  'the secret dies with a change of the password, and with the account': async (t, home) => {
    const me = await home.newcomer()
    const { token, code } = await home.forgot(me.email)
    const change = { current_password: me.password, new_password: NEW }
    const changed = await home.call('POST', '/v1/password', { token: me.access_token, body: change })
    t.equal(changed.status, 200)
    for (const proof of [{ token }, { email: me.email, code }])
      t.match(await reset(home, { ...proof, new_password: `${NEW} again` }), INVALID)
    const next = await home.forgot(me.email)
    const gone = await home.call('DELETE', '/v1/me', { token: changed.body.access_token, body: { password: NEW } })
    t.equal(gone.status, 204)
    t.match(await reset(home, { token: next.token, new_password: NEW }), INVALID)
    t.match(await reset(home, { email: me.email, code: next.code, new_password: NEW }), INVALID)
  },

  'twenty wrong codes kill the code, not the link, and no new mail revives it': async (t, home) => {
    const me = await home.newcomer()
    const { token, code } = await home.forgot(me.email)
    const wrong = String((Number(code) + 1) % 100_000_000).padStart(8, '0')
    for (let guess = 0; guess < 20; guess += 1)
      t.match(await reset(home, { email: me.email, code: wrong, new_password: NEW }), INVALID)
    t.equal(home.events('code.refused').length, 20)
    const again = await home.forgot(me.email)
    t.equal(again.code, code)
    t.match(await reset(home, { email: me.email, code, new_password: NEW }), INVALID)
    t.strictSame(await isAlive(home, me), [true, true])
    t.equal((await reset(home, { token, new_password: NEW })).status, 204)
  },

  'a squatter who registered the address has nothing left in it after its owner’s reset': async (t, home) => {
    const squatter = await home.newcomer()
    const planted = { token: squatter.access_token, body: { theme: 'planted' } }
    await home.call('PATCH', '/v1/me/preferences', planted)
    const asked = { token: squatter.access_token, body: { new_email: 'squatter@example.org' } }
    const theirs = await home.letterAfter('squatter@example.org', () => home.call('POST', '/v1/email/change', asked))
    const { token } = await home.forgot(squatter.email)
    t.equal((await reset(home, { token, new_password: NEW })).status, 204)
    t.strictSame(await isAlive(home, squatter), [false, false])
    const owner = (await login(home, squatter.email, NEW)).body
    t.strictSame((await home.call('GET', '/v1/me/preferences', { token: owner.access_token })).body, {})
    const confirm = { token: owner.access_token, body: { token: theirs.token } }
    t.match(await home.call('POST', '/v1/email/change/confirm', confirm), INVALID)
  },

  'the reset of a verified address leaves its preferences': async (t, home) => {
    const me = await home.newcomer()
    await reset(home, { token: (await home.forgot(me.email)).token, new_password: NEW })
    const session = (await login(home, me.email, NEW)).body
    await home.call('PATCH', '/v1/me/preferences', { token: session.access_token, body: { theme: 'mine' } })
    const { token } = await home.forgot(me.email)
    t.equal((await reset(home, { token, new_password: `${NEW} again` })).status, 204)
    const back = (await login(home, me.email, `${NEW} again`)).body
    t.strictSame((await home.call('GET', '/v1/me/preferences', { token: back.access_token })).body, { theme: 'mine' })
  },

  'a link lives for its time': async (t, home) => {
    const me = await home.newcomer()
    const { token } = await home.forgot(me.email)
    home.clock.advance(60 * MINUTE)
    t.match(await reset(home, { token, new_password: NEW }), INVALID)
  },

  'notices are in the language of the mail that the person used': async (t, home) => {
    const me = await home.newcomer()
    const asked = { body: { email: me.email, locale: 'ko' } }
    const { token } = await home.letterAfter(me.email, () => home.call('POST', '/v1/password/forgot', asked))
    await reset(home, { token, new_password: NEW })
    t.match((await home.mailsTo(me.email, 2))[1]?.subject, /[가-힣]/)
    const session = (await login(home, me.email, NEW)).body
    const change = { current_password: NEW, new_password: `${NEW} again` }
    await home.call('POST', '/v1/password', { token: session.access_token, body: change })
    t.match((await home.mailsTo(me.email, 3))[2]?.subject, /[가-힣]/)
  },

  'a notice tells that the password was reset, without a secret': async (t, home) => {
    const me = await home.newcomer()
    const { token, code } = await home.forgot(me.email)
    await reset(home, { token, new_password: NEW })
    const [, notice] = await home.mailsTo(me.email, 2)
    t.notMatch(notice?.raw, token)
    t.notMatch(notice?.raw, code)
  },
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

await playOnBothStores(t, STORIES)
