import { decodeJwt } from 'jose'
import t, { type Test } from 'tap'
import { keys } from '../../src/store/keys.ts'
import { StoreUnavailable } from '../../src/store/store.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import type { Newcomer } from '../support/home.ts'
import { mailTo } from '../support/env.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'
import { startSmtp, readLetter } from '../support/smtp.ts'
import { keysOf, makeWatched } from '../support/watched-store.ts'

// The operator makes an account: once, whatever fails and whoever else wants it.

const PASSWORD = 'seven red bicycles in the rain'
/** Of PASSWORD. */
const BCRYPT = '$2y$05$CCCCCCCCCCCCCCCCCCCCC.e.s.qa.KIPvliLIiUM55B//D8FdJQQ.'

const redis = await startRedis()
t.teardown(redis.stop)
const STORES = { LMDB: {}, Redis: { REDIS_URL: redis.url } }

let made = 0
/** An id and an address that nobody has. */
function somebody() {
  const id = `legacy-${(made += 1)}-${process.pid}-${Date.now()}`
  return { id, email: `${id}@example.org` }
}

const create = (home: AdminHome, body: object) => home.admin('POST', '/admin/v1/users', { body })
const login = (home: AdminHome, email: string, password = PASSWORD) =>
  home.call<Newcomer & { code: string }>('POST', '/v1/login', { body: { email, password } })
const hashOf = async ({ deps }: AdminHome, id: string) => (await deps.store.get(keys.user(id)))?.value.passwordHash

const STORIES: Record<string, (t: Test, home: AdminHome) => Promise<void>> = {
  async 'an account is made as it is wanted, and its owner logs in'(t, home) {
    const { id, email } = somebody()
    const wanted = { id, email: ` ${email.toUpperCase()}`, email_verified: true, roles: ['editor', 'editor'] }
    const answer = await create(home, { ...wanted, password: PASSWORD, app: { plan: 'pro' } })
    const user = { id, email, email_verified: true, roles: ['editor'], app: { plan: 'pro' }, sessions: 0 }
    t.match(answer, { status: 201, body: user })
    t.notOk('last_login_at' in answer.body)
    t.notMatch(JSON.stringify(answer.body), /argon2|password|generation/i)
    t.match(home.events('account.created'), [{ user_id: id, by: 'ops' }])
    const { status, body } = await login(home, email)
    t.equal(status, 200)
    t.match(decodeJwt(body.access_token), { sub: id, gen: 0, roles: ['editor'], app: { plan: 'pro' } })
    t.notMatch(JSON.stringify(home.lines), /bicycles|argon2/)
  },

  async 'whatever form its id has, its owner is not logged out, and whom it logs out is out'(t, home) {
    const mark = `${(made += 1)}`
    const ids = [
      mark,
      `6f1c2a9e-1b7d-4c55-9a44-${mark.padStart(12, '0')}`,
      mark.padStart(64, 'x'),
      `${'A'.repeat(21)}B`,
    ]
    for (const id of ids) {
      const email = `${somebody().id}@example.org`
      t.equal((await create(home, { id, email, password: PASSWORD })).status, 201, id)
      const [first, second] = [(await login(home, email)).body, (await login(home, email)).body]
      const refresh = (token: string) => home.call('POST', '/v1/refresh', { body: { refresh_token: token } })
      const next = await refresh(first.refresh_token)
      t.match(next, { status: 200, body: { session_id: first.session_id } })
      t.equal((await refresh(next.body.refresh_token)).status, 200)
      const out = await home.call('POST', '/v1/logout', { body: { refresh_token: second.refresh_token } })
      t.equal(out.status, 204)
      t.equal((await home.call('GET', '/v1/verify', { token: second.access_token })).status, 401)
      t.match(await refresh(second.refresh_token), { status: 401, body: { reason: 'logged_out' } })
      t.equal((await home.call('GET', '/v1/verify', { token: next.body.access_token })).status, 204)
      await home.admin('DELETE', `/admin/v1/users/${id}`)
    }
  },

  async 'the same id and address again are answered with the account as it is'(t, home) {
    const { id, email } = somebody()
    t.equal((await create(home, { id, email, password: PASSWORD })).status, 201)
    const again = await create(home, { id, email, password: 'another, and long enough', roles: ['admin'] })
    t.match(again, { status: 200, body: { id, email, roles: [] } })
    t.equal((await login(home, email)).status, 200, 'with the password of before')
    t.equal(home.events('account.created').length, 1)
    t.match(await create(home, { id, email: somebody().email }), { status: 409, body: { code: 'id_taken' } })
    t.match(await create(home, { ...somebody(), email }), { status: 409, body: { code: 'email_taken' } })
    t.match(await create(home, { email }), { status: 409, body: { code: 'email_taken' } })
    const me = await home.newcomer()
    t.match(await create(home, { ...somebody(), email: me.email }), { status: 409, body: { code: 'email_taken' } })
    t.equal((await create(home, { id: me.user.id, email: me.email })).status, 200)
  },

  async 'without an id it gets one of ours'(t, home) {
    const { email } = somebody()
    const { status, body } = await create(home, { email, password: PASSWORD })
    t.equal(status, 201)
    t.match(body.id, /^[\w-]{22}$/)
    t.equal((await login(home, email)).body.user.id, body.id)
  },

  async 'a hash from elsewhere lets its owner in, and is made anew by the first login'(t, home) {
    const { id, email } = somebody()
    t.equal((await create(home, { id, email, password_hash: BCRYPT })).status, 201)
    t.equal((await login(home, email, `${PASSWORD}x`)).status, 401)
    t.equal(await hashOf(home, id), BCRYPT)
    const together = await Promise.all(Array.from({ length: 10 }, () => login(home, email)))
    t.strictSame(new Set(together.map(({ status }) => status)), new Set([200]))
    t.match(await hashOf(home, id), /^\$argon2id\$/)
    t.equal((await login(home, email)).status, 200)
    t.equal((await login(home, email, `${PASSWORD}x`)).status, 401)
  },

  async 'fifty at once: of one id and address one is made, of one address one, of one id one'(t, home) {
    const same = somebody()
    const statuses = async (bodies: object[]) =>
      (await Promise.all(bodies.map((body) => create(home, body))))
        .map(({ status }) => status)
        .toSorted((one, other) => one - other)
    const fifty = Array.from({ length: 50 })
    t.strictSame(await statuses(fifty.map(() => same)), [...Array.from({ length: 49 }, () => 200), 201])
    const losers = Array.from({ length: 49 }, () => 409)
    const { email } = somebody()
    t.strictSame(await statuses(fifty.map(() => ({ id: somebody().id, email }))), [201, ...losers])
    const { id } = somebody()
    const rivals = fifty.map(() => ({ id, email: somebody().email }))
    t.strictSame(await statuses(rivals), [201, ...losers])
    t.equal(home.events('account.created').length, 3)
    const { body } = await home.admin('GET', `/admin/v1/users/${id}`)
    for (const rival of rivals.filter((each) => each.email !== body.email).slice(0, 5))
      t.equal((await create(home, { email: rival.email })).status, 201, 'the address of a loser is free')
  },

  async 'an account and a registration want one address: one of them has it'(t, home) {
    for (let turn = 0; turn < 5; turn += 1) {
      const { id, email } = somebody()
      const register = { body: { email, password: PASSWORD } }
      const both = await Promise.all([create(home, { id, email }), home.call('POST', '/v1/register', register)])
      t.strictSame(
        both.map(({ status }) => status).toSorted((one, other) => one - other),
        [201, 409],
      )
      const { body } = await home.admin('GET', `/admin/v1/users?email=${email}`)
      t.equal(body.users[0].id === id, both[0].status === 201)
    }
  },

  async 'an id that comes back has none of its former life: its tokens and sessions stay dead'(t, home) {
    const me = await home.newcomer()
    const { id } = me.user
    await home.admin('PUT', `/admin/v1/users/${id}/roles`, { body: { roles: ['editor'] } })
    const former = (await login(home, me.email)).body
    await home.call('PATCH', '/v1/me/preferences', { token: former.access_token, body: { theme: 'dark' } })
    t.equal((await home.admin('DELETE', `/admin/v1/users/${id}`)).status, 204)
    t.equal((await create(home, { id, email: me.email, password: PASSWORD })).status, 201)
    for (const { access_token, refresh_token } of [me, former]) {
      t.match(await home.call('GET', '/v1/verify', { token: access_token }), { body: { code: 'token_revoked' } })
      t.match(await home.call('POST', '/v1/refresh', { body: { refresh_token } }), {
        status: 401,
        body: { code: 'session_over', reason: 'account_deleted' },
      })
    }
    const next = (await login(home, me.email)).body
    t.ok(Number(decodeJwt(next.access_token)['gen']) > Number(decodeJwt(former.access_token)['gen']))
    t.equal((await home.call('GET', '/v1/verify', { token: next.access_token })).status, 204)
    t.strictSame((await home.call('GET', '/v1/me/preferences', { token: next.access_token })).body, {})
    t.equal((await home.call('GET', '/v1/sessions', { token: next.access_token })).body.sessions.length, 1)
    t.match((await home.call('GET', '/v1/me/events', { token: next.access_token })).body.events, [
      { event: 'login.succeeded' },
      { event: 'account.created', by: 'operator' },
    ])
  },

  async 'an account without a password is opened by nothing but a mail'(t, home) {
    const { id, email } = somebody()
    t.equal((await create(home, { id, email })).status, 201)
    for (const password of ['', '!', PASSWORD])
      t.match(await login(home, email, password), { status: 401, body: { code: 'bad_credentials' } })
  },
}

for (const [store, env] of Object.entries(STORES)) {
  for (const [name, story] of Object.entries(STORIES))
    t.test(`${name}, on ${store}`, async (t) => story(t, await openAdminHome(t, env)))

  t.test(`a login that makes a hash anew overwrites nothing that was done meanwhile, on ${store}`, async (t) => {
    const watched = makeWatched()
    const home = await openAdminHome(t, env, { store: watched.around })
    const { store: real, hashing } = home.deps
    const next = await hashing.hash('nine blue umbrellas on the roof')
    const meanwhile: Record<string, [act: (id: string) => Promise<unknown>, status: number]> = {
      'another password': [(id) => change(id, { passwordHash: next }), 401],
      disabling: [(id) => home.admin('PUT', `/admin/v1/users/${id}/disabled`), 403],
      removal: [(id) => home.admin('DELETE', `/admin/v1/users/${id}`), 401],
      roles: [(id) => home.admin('PUT', `/admin/v1/users/${id}/roles`, { body: { roles: ['editor'] } }), 200],
    }
    async function change(id: string, changed: object) {
      const user = await real.get(keys.user(id))
      const puts = [{ key: keys.user(id), value: { ...user?.value, ...changed }, expiresAt: null }]
      await real.commit({ checks: [], puts, deletes: [] })
    }
    for (const [what, [act, status]] of Object.entries(meanwhile)) {
      const { id, email } = somebody()
      await create(home, { id, email, password_hash: BCRYPT })
      watched.watch = async (command, run) => {
        if (command.kind !== 'commit' || !keysOf(command).includes(keys.user(id))) return run()
        watched.watch = null
        await act(id)
        return run()
      }
      t.equal((await login(home, email)).status, status, what)
      t.equal(watched.watch, null)
      if (status === 401) t.not(await hashOf(home, id), BCRYPT)
    }
  })

  t.test(`whatever commit the process dies after, a repeat makes the account, once, on ${store}`, async (t) => {
    const watched = makeWatched()
    const home = await openAdminHome(t, env, { store: watched.around })
    for (const done of [true, false])
      for (let last = 1; last <= 3; last += 1) {
        const wanted = somebody()
        let commits = 0
        watched.watch = async (command, run) => {
          if (command.kind !== 'commit') return run()
          commits += 1
          if (commits < last) return run()
          if (commits === last && done) await run()
          throw new StoreUnavailable('gone')
        }
        t.equal((await create(home, { ...wanted, password: PASSWORD })).status, 503)
        watched.watch = null
        const isMade = done && last === 3
        t.equal((await login(home, wanted.email)).status, isMade ? 200 : 401)
        t.equal((await create(home, { ...wanted, password: PASSWORD })).status, isMade ? 200 : 201)
        t.equal((await login(home, wanted.email)).status, 200)
      }
  })
}

t.test('an account that was never finished keeps its address from nobody for long', async (t) => {
  const watched = makeWatched()
  const home = await openAdminHome(t, {}, { store: watched.around })
  const { id, email } = somebody()
  let commits = 0
  watched.watch = (command, run) => {
    if (command.kind === 'commit' && (commits += 1) === 3) throw new StoreUnavailable('gone')
    return run()
  }
  t.equal((await create(home, { id, email })).status, 503)
  watched.watch = null
  const body = { email, password: PASSWORD }
  t.match(await home.call('POST', '/v1/register', { body }), { status: 409, body: { code: 'email_taken' } })
  home.clock.advance(10 * 60_000 + 1)
  t.equal((await home.call('POST', '/v1/register', { body })).status, 201)
  t.match(await create(home, { id, email }), { status: 409, body: { code: 'email_taken' } })
})

t.test('an account without a password is opened by a mail', async (t) => {
  const smtp = await startSmtp()
  t.teardown(smtp.stop)
  const home = await openAdminHome(t, mailTo(smtp.url))
  const { id, email } = somebody()
  await create(home, { id, email })
  t.equal((await home.call('POST', '/v1/password/forgot', { body: { email } })).status, 202)
  const { token } = await eventually(() => smtp.mailsTo(email).map(readLetter).at(-1), { within: 10_000 })
  const reset = { token, new_password: PASSWORD }
  t.equal((await home.call('POST', '/v1/password/reset', { body: reset })).status, 204)
  t.equal((await login(home, email)).status, 200)
})

t.test('what nobody may set is no field, and what is malformed is refused; nothing is made', async (t) => {
  const home = await openAdminHome(t)
  const { id, email } = somebody()
  const forbidden = ['generation', 'sessions', 'created_at', 'disabled', 'emailKey', 'passwordHash', 'last_login_at']
  const bodies: unknown[] = [
    ...[...forbidden, 'factors', 'isAdmin', 'knownAddresses'].map((name) => ({ id, email, [name]: 1 })),
    `{"id":"${id}","email":"${email}","__proto__":{"roles":["admin"]}}`,
    `{"id":"${id}","email":"${email}","app":{"__proto__":{"a":1}}}`,
    `{"id":"${id}","email":"${email}","constructor":{"prototype":{"a":1}}}`,
    `{"id":"${id}","email":"${email}","email":"b@example.org"}`,
    `{"id":"${id}","email":"${email}","app":{"a":9007199254740993}}`,
    { id },
    { id, email: 'no address' },
    { id, email: null },
    { id: null, email },
    { id: '', email },
    { id: 'a b', email },
    { id: 'é', email },
    { id: 'x'.repeat(65), email },
    { id: '{latchkey}', email },
    { id: 1, email },
    { id, email, email_verified: 'true' },
    { id, email, roles: ['a b'] },
    { id, email, roles: Array.from({ length: 51 }, (_, place) => `r${place}`) },
    { id, email, app: [] },
    { id, email, password: 1 },
    { id, email, password: `\ud800${PASSWORD}` },
    { id, email, password: PASSWORD, password_hash: BCRYPT },
    { id, email, password_hash: null },
    [],
    [{ id, email }],
  ]
  for (const body of bodies)
    t.match(await create(home, body as object), { status: 400, body: { code: 'bad_request' } }, JSON.stringify(body))
  t.match(await create(home, { id, email, app: { a: 'x'.repeat(1020) } }), { status: 413, body: { code: 'too_large' } })
  t.match(await create(home, { id, email, password: 'short' }), {
    status: 422,
    body: { code: 'password_unacceptable', errors: [{ rule: 'too_short' }] },
  })
  for (const password_hash of ['', 'short', '5f4dcc3b5aa765d61d8327deb882cf99', BCRYPT.replace('$05$', '$31$')]) {
    const answer = await create(home, { id, email, password_hash })
    t.match(answer, { status: 422, body: { code: 'hash_unacceptable' } })
    t.notMatch(JSON.stringify(answer.body), /\$31\$|5f4dcc/)
  }
  t.strictSame((await home.admin('GET', `/admin/v1/users?email=${email}`)).body, { users: [] })
  t.strictSame(home.events('account.created'), [])
  t.equal((await create(home, { id, email, app: { a: 'x'.repeat(1000) } })).status, 201)
  t.notMatch(JSON.stringify(home.lines), /5f4dcc|\$2y\$|bicycles/)
})
