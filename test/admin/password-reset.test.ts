import t, { type Test } from 'tap'
import { UNUSABLE } from '../../src/domain/password.ts'
import { keys } from '../../src/store/keys.ts'
import { StoreUnavailable } from '../../src/store/store.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import type { Newcomer } from '../support/home.ts'
import { NO_MAIL_LIMITS, mailTo } from '../support/env.ts'
import { INVALID, login } from '../support/mail-home.ts'
import { startRedis } from '../support/redis.ts'
import { cannotTell } from '../support/alike.ts'
import { eventually } from '../support/settle.ts'
import { type Smtp, startSmtp, type Letter, readLetter } from '../support/smtp.ts'
import { keysOf, makeWatched } from '../support/watched-store.ts'

// The operator makes a password unusable, and the owner comes back in by mail.

const NEXT = 'nine blue umbrellas on the roof'
const WRONG = { status: 401, body: { code: 'bad_credentials' } }

const redis = await startRedis()
t.teardown(redis.stop)

interface World {
  readonly home: AdminHome
  readonly smtp: Smtp
  readonly demand: (me: Newcomer) => Promise<{ status: number }>
  /** Resolves to the mails with a link that have reached this person, once they are so many. */
  readonly letters: (me: Newcomer, count: number) => Promise<readonly Letter[]>
  readonly reset: (proof: object, new_password?: string) => Promise<{ status: number; body: any }>
}

async function open(t: Test, env: Record<string, string>, watched = makeWatched()): Promise<World> {
  const smtp = await startSmtp()
  t.teardown(smtp.stop)
  const home = await openAdminHome(t, { ...mailTo(smtp.url), ...NO_MAIL_LIMITS, ...env }, { store: watched.around })
  const found = (email: string) =>
    smtp
      .mailsTo(email)
      .map(readLetter)
      .filter(({ token }) => token !== '')
  return {
    home,
    smtp,
    demand: ({ user }) => home.admin('POST', `/admin/v1/users/${user.id}/password-reset`),
    letters: ({ email }, count) => eventually(() => found(email).length >= count && found(email), { within: 10_000 }),
    reset: (proof, new_password = NEXT) =>
      home.call('POST', '/v1/password/reset', { body: { ...proof, new_password } }),
  }
}

const STORIES: Record<string, (t: Test, world: World) => Promise<void>> = {
  async 'the password is dead at once, and so are sessions and tokens; the mail opens the account again'(t, world) {
    const { home } = world
    const me = await home.newcomer()
    t.equal((await world.demand(me)).status, 202)
    t.match(await home.call('GET', '/v1/verify', { token: me.access_token }), { body: { code: 'token_revoked' } })
    t.match(await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } }), {
      status: 401,
      body: { code: 'session_over', reason: 'password_reset' },
    })
    t.match(await login(home, me.email, me.password), WRONG)
    for (const password of [UNUSABLE, '', 'null']) t.match(await login(home, me.email, password), WRONG)
    t.match(home.events('password.reset_required'), [{ user_id: me.user.id, by: 'ops' }])
    t.match(home.events('session.ended'), [{ session_id: me.session_id, reason: 'password_reset' }])
    const [letter] = await world.letters(me, 1)
    t.match(letter?.code, /^\d{8}$/)
    t.equal((await world.reset({ token: letter?.token })).status, 204)
    t.equal((await login(home, me.email, NEXT)).status, 200)
    t.match(await login(home, me.email, me.password), WRONG)
  },

  async 'the code of the mail opens it, too, and the mail does not tell from where the operator acts'(t, world) {
    const me = await world.home.newcomer()
    await world.home.admin('POST', `/admin/v1/users/${me.user.id}/password-reset`, {
      headers: { 'user-agent': 'operators-own/1.0' },
      ip: '203.0.113.77',
    })
    const [letter] = await world.letters(me, 1)
    t.notMatch(letter?.text, /203\.0\.113\.77|operators-own/)
    t.equal((await world.reset({ email: me.email, code: letter?.code })).status, 204)
  },

  async 'what was mailed before opens nothing, and of two orders the first mail stays good'(t, { home, ...world }) {
    const me = await home.newcomer()
    await home.call('POST', '/v1/password/forgot', { body: { email: me.email } })
    const [before] = await world.letters(me, 1)
    await world.demand(me)
    const [, first] = await world.letters(me, 2)
    t.match(await world.reset({ token: before?.token }), INVALID)
    t.match(await world.reset({ email: me.email, code: before?.code }), INVALID)
    t.equal((await world.demand(me)).status, 202)
    const letters = await world.letters(me, 3)
    t.equal(letters[2]?.token, first?.token)
    t.equal((await world.reset({ token: first?.token })).status, 204)
    t.equal((await world.demand(me)).status, 202, 'once more, against the new password')
    t.match(await login(home, me.email, NEXT), WRONG)
    t.match(await world.reset({ token: first?.token }), INVALID, 'nor is it taken as a repeat')
  },

  async 'the password of a disabled account dies, too, without a mail; when it is open again the order mails'(
    t,
    world,
  ) {
    const { home } = world
    const me = await home.newcomer()
    const disabled = `/admin/v1/users/${me.user.id}/disabled`
    await home.admin('PUT', disabled)
    t.equal((await world.demand(me)).status, 202)
    await home.admin('DELETE', disabled)
    t.match(await login(home, me.email, me.password), WRONG)
    t.equal((await world.demand(me)).status, 202)
    const [letter, ...others] = await world.letters(me, 1)
    t.strictSame(others, [])
    t.equal((await world.reset({ token: letter?.token })).status, 204)
  },

  async 'an order that races logins and refreshes leaves no session'(t, { home, demand }) {
    const me = await home.newcomer()
    const refresh = () => home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
    const rivals = Array.from({ length: 10 }, () => [login(home, me.email, me.password), refresh()]).flat()
    const [ordered, ...came] = await Promise.all([demand(me), ...rivals])
    t.equal(ordered.status, 202)
    for (const { status, body } of came) {
      t.ok(status === 200 || status === 401, `${status}`)
      if (status === 200)
        t.equal((await home.call('GET', '/v1/verify', { token: body.access_token })).status, 401, 'it is dead')
    }
    t.equal((await home.admin('GET', `/admin/v1/users/${me.user.id}`)).body.sessions, 0)
  },
}

for (const [store, env] of Object.entries({ LMDB: {}, Redis: { REDIS_URL: redis.url } }))
  for (const [name, story] of Object.entries(STORIES))
    t.test(`${name}, on ${store}`, async (t) => story(t, await open(t, env)))

t.test('an order that the store does not take changes nothing and mails nothing; sent again, it does', async (t) => {
  const watched = makeWatched()
  const { home, demand, letters, smtp } = await open(t, {}, watched)
  const me = await home.newcomer()
  watched.watch = async (command, run) => {
    if (command.kind === 'commit' && keysOf(command).includes(keys.user(me.user.id))) throw new StoreUnavailable('x')
    return run()
  }
  t.equal((await demand(me)).status, 503)
  watched.watch = null
  t.equal((await home.call('GET', '/v1/verify', { token: me.access_token })).status, 204)
  t.equal((await login(home, me.email, me.password)).status, 200)
  t.strictSame(home.events('password.reset_required'), [])
  t.equal((await demand(me)).status, 202)
  await letters(me, 1)
  t.equal(smtp.mailsTo(me.email).length, 1)
})

t.test('a service without mail has no such order, and whoever is unknown is 404', async (t) => {
  const home = await openAdminHome(t)
  const me = await home.newcomer()
  t.equal((await home.admin('POST', `/admin/v1/users/${me.user.id}/password-reset`)).status, 404)
  t.equal((await login(home, me.email, me.password)).status, 200)
  const world = await open(t, {})
  t.match(await world.home.admin('POST', '/admin/v1/users/nobody/password-reset'), { body: { code: 'not_found' } })
})

t.test('a login with an unusable password costs as much as one for an unknown address', async (t) => {
  const { home, demand } = await open(t, { ARGON2_MEMORY_KIB: '19456' })
  const me = await home.newcomer()
  await demand(me)
  const loginOf = (email: string) => () => login(home, email, me.password)
  await cannotTell(t, { one: loginOf(me.email), other: loginOf('nobody@example.org'), samples: 40 })
})
