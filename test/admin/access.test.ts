import { decodeJwt } from 'jose'
import t, { type Test } from 'tap'
import { keys, USER_ENDING } from '../../src/store/keys.ts'
import { put } from '../../src/store/store.ts'
import { ADMIN, mailTo } from '../support/env.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import type { Newcomer } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'
import { startSmtp, readLetter } from '../support/smtp.ts'
import { makeWatched } from '../support/watched-store.ts'

// What the operator does to an account, and what the owner of the account meets.

const redis = await startRedis()
t.teardown(redis.stop)
const STORES = { LMDB: {}, Redis: { REDIS_URL: redis.url } }

const verify = (home: AdminHome, token: string, query = '') => home.call('GET', `/v1/verify${query}`, { token })
const refresh = (home: AdminHome, { refresh_token }: Pick<Newcomer, 'refresh_token'>) =>
  home.call<Newcomer>('POST', '/v1/refresh', { body: { refresh_token } })
const login = (home: AdminHome, { email, password }: Newcomer) =>
  home.call('POST', '/v1/login', { body: { email, password } })

const STORIES: Record<string, (t: Test, home: AdminHome) => Promise<void>> = {
  'roles change at once: older tokens are dead, nobody is logged out, and each client refreshes once'(t, home) {
    return changesAtOnce(t, home, 'roles', { roles: ['editor', 'billing:read'] }, ['editor', 'billing:read'])
  },
  'what services are told of a user changes at once, as roles do'(t, home) {
    return changesAtOnce(t, home, 'app', { plan: 'pro', seats: 3 }, { plan: 'pro', seats: 3 })
  },

  async 'a role that is taken away is gone from the next token, and so is an empty object'(t, home) {
    const me = await home.newcomer()
    const at = `/admin/v1/users/${me.user.id}`
    await home.admin('PUT', `${at}/roles`, { body: { roles: ['editor', 'editor'] } })
    await home.admin('PUT', `${at}/app`, { body: { plan: 'pro' } })
    const first = (await refresh(home, me)).body
    t.match(decodeJwt(first.access_token), { roles: ['editor'], app: { plan: 'pro' } })
    await home.admin('PUT', `${at}/roles`, { body: { roles: [] } })
    await home.admin('PUT', `${at}/app`, { body: {} })
    t.match(await verify(home, first.access_token), { status: 401, body: { code: 'token_revoked' } })
    const claims = decodeJwt((await refresh(home, first)).body.access_token)
    t.notOk('roles' in claims || 'app' in claims)
  },

  async 'a disabled account is dead at once, and no door opens'(t, home) {
    const me = await home.newcomer()
    const other = (await login(home, me)).body as Newcomer
    const at = `/admin/v1/users/${me.user.id}/disabled`
    t.equal((await home.admin('PUT', at, { body: { reason: 'fraud' } })).status, 204)
    for (const each of [me, other]) {
      t.match(await verify(home, each.access_token), { status: 401, body: { code: 'token_revoked' } })
      t.match(await refresh(home, each), { status: 401, body: { code: 'session_over', reason: 'disabled' } })
    }
    t.match(await login(home, me), { status: 403, body: { code: 'account_disabled' } })
    t.match(await login(home, { ...me, password: 'a wrong one, and long enough' }), {
      status: 401,
      body: { code: 'bad_credentials' },
    })
    t.match(home.events('session.ended'), [{ reason: 'disabled' }, { reason: 'disabled' }])
    t.match((await home.admin('GET', `/admin/v1/users/${me.user.id}`)).body, {
      disabled: { at: String, reason: 'fraud' },
      sessions: 0,
    })
    t.equal((await home.admin('PUT', at)).status, 204, 'again, and without a reason')
    t.equal((await home.admin('DELETE', at)).status, 204)
    t.equal((await home.admin('DELETE', at)).status, 204)
    t.equal((await login(home, me)).status, 200)
    t.match(await refresh(home, me), { status: 401, body: { reason: 'disabled' } }, 'what has ended stays ended')
  },

  async 'disabling that races logins leaves no session'(t, home) {
    const me = await home.newcomer()
    const at = `/admin/v1/users/${me.user.id}/disabled`
    const logins = Array.from({ length: 20 }, () => login(home, me))
    const [disabled, ...opened] = await Promise.all([home.admin('PUT', at), ...logins])
    t.equal(disabled.status, 204)
    for (const { status, body } of opened) {
      t.ok(status === 200 || status === 403, `${status}`)
      if (status === 200) t.equal((await verify(home, body.access_token)).status, 401)
    }
  },

  async 'a user is logged out everywhere, and may log in again'(t, home) {
    const me = await home.newcomer()
    const other = (await login(home, me)).body as Newcomer
    const at = `/admin/v1/users/${me.user.id}/sessions`
    const { body } = await home.admin('GET', at)
    t.match(body.sessions, [
      { id: me.session_id, current: false },
      { id: other.session_id, current: false },
    ])
    t.equal((await home.admin('DELETE', at)).status, 204)
    for (const each of [me, other]) {
      t.match(await verify(home, each.access_token), { status: 401, body: { code: 'token_revoked' } })
      t.match(await refresh(home, each), { status: 401, body: { reason: 'revoked' } })
    }
    t.strictSame((await home.admin('GET', at)).body, { sessions: [] })
    t.equal((await home.admin('DELETE', at)).status, 204, 'again')
    t.equal((await login(home, me)).status, 200)
    for (const method of ['GET', 'DELETE'])
      t.equal((await home.admin(method, '/admin/v1/users/nobody/sessions')).status, 404)
  },

  async 'a walk over all users meets each that is there throughout'(t, home) {
    const people = await Promise.all(Array.from({ length: 40 }, () => home.newcomer()))
    const met = new Set<string>()
    let cursor = ''
    for (let pages = 0; pages < 500; pages += 1) {
      const { status, body } = await home.admin('GET', `/admin/v1/users?limit=7${cursor}`)
      t.equal(status, 200)
      for (const { id } of body.users) met.add(id)
      if (pages < 10) await home.newcomer()
      if (body.next === undefined) break
      cursor = `&cursor=${body.next}`
    }
    t.strictSame(
      people.filter(({ user }) => !met.has(user.id)),
      [],
    )
    for (const query of ['?limit=0', '?limit=1000', '?limit=x', `?cursor=${'x'.repeat(257)}`])
      t.match(await home.admin('GET', `/admin/v1/users${query}`), { status: 400, body: { code: 'bad_request' } })
    t.equal((await home.admin('GET', '/admin/v1/users?cursor=no%20cursor')).status, 200)
  },

  async 'a removed account is gone, and its address is free'(t, home) {
    const me = await home.newcomer()
    const at = `/admin/v1/users/${me.user.id}`
    t.equal((await home.admin('DELETE', at)).status, 204)
    t.match(await verify(home, me.access_token), { status: 401, body: { code: 'token_revoked' } })
    t.match(await refresh(home, me), { status: 401, body: { reason: 'account_deleted' } })
    t.equal((await home.admin('GET', at)).status, 404)
    t.equal((await home.admin('DELETE', at)).status, 404)
    t.not((await home.newcomer({ email: me.email })).user.id, me.user.id)
  },

  async 'a user is found by any spelling of the address, and says no secret'(t, home) {
    const me = await home.newcomer()
    const find = (email: string) => home.admin('GET', `/admin/v1/users?email=${encodeURIComponent(email)}`)
    const { status, body } = await find(` ${me.email.toUpperCase()}`)
    t.equal(status, 200)
    t.match(body.users, [{ id: me.user.id, email: me.email, email_verified: false, roles: [], app: {}, sessions: 1 }])
    t.notOk('last_login_at' in body.users[0])
    await login(home, me)
    t.match((await find(me.email)).body.users, [{ last_login_at: String, sessions: 2 }])
    t.notMatch(JSON.stringify((await find(me.email)).body), /argon2|secret|generation|hash/i)
    t.strictSame((await find('nobody@example.org')).body, { users: [] })
    t.match(await find('no address'), { status: 400, body: { code: 'bad_request', errors: [{ path: 'email' }] } })
  },
}

for (const [store, env] of Object.entries(STORES))
  for (const [name, story] of Object.entries(STORIES))
    t.test(`${name}, on ${store}`, async (t) => story(t, await openAdminHome(t, env)))

async function changesAtOnce(t: Test, home: AdminHome, claim: 'roles' | 'app', body: object, told: unknown) {
  const me = await home.newcomer()
  const at = `/admin/v1/users/${me.user.id}/${claim}`
  t.notOk(claim in decodeJwt(me.access_token))
  t.equal((await home.admin('PUT', at, { body })).status, 204)
  t.match(await verify(home, me.access_token), { status: 401, body: { code: 'token_revoked' } })
  const next = await refresh(home, me)
  t.equal(next.status, 200)
  t.equal(next.body.session_id, me.session_id)
  t.strictSame(decodeJwt(next.body.access_token)[claim], told)
  t.equal((await verify(home, next.body.access_token)).status, 204)
  t.strictSame((await home.admin('GET', `/admin/v1/users/${me.user.id}`)).body[claim], told)
  t.match(home.events(`${claim}.changed`), [{ user_id: me.user.id, by: 'ops' }])
}

t.test('a token whose generation a failover has lost is dead once the next one is answered', async (t) => {
  const home = await openAdminHome(t)
  const me = await home.newcomer()
  const give = (roles: string[]) => home.admin('PUT', `/admin/v1/users/${me.user.id}/roles`, { body: { roles } })
  const before = await home.deps.store.get(keys.user(me.user.id))
  t.equal((await give(['editor'])).status, 204)
  const { access_token } = (await refresh(home, me)).body
  t.equal((await verify(home, access_token, '?role=editor')).status, 204)
  const lost = {
    checks: [],
    puts: [put(keys.user(me.user.id), before!.value, null)],
    deletes: [keys.deniedBelow(me.user.id)],
  }
  await home.deps.store.commit(lost)
  home.clock.advance(1000)
  t.equal((await give([])).status, 204)
  t.equal((await verify(home, access_token)).status, 401)
})

t.test(
  'who has not yet completed a registration is nobody who could be disabled, and who was too late never was',
  async (t) => {
    const watched = makeWatched()
    const home = await openAdminHome(t, {}, { store: watched.around })
    const body = { email: 'twice@example.org', password: 'seven red bicycles in the rain' }
    const met: { sessions: number }[] = []
    watched.watch = async (command, run) => {
      const result = await run()
      const isClaim = command.kind === 'commit' && command.commit.puts.some(({ key }) => key.endsWith('}:email'))
      if (isClaim) met.push(...(await home.admin('GET', '/admin/v1/users')).body.users)
      return result
    }
    const answers = await Promise.all([1, 2, 3].map(() => home.call('POST', '/v1/register', { body })))
    watched.watch = null
    t.equal(answers.filter(({ status }) => status === 201).length, 1)
    t.ok(
      met.every(({ sessions }) => sessions === 1),
      'whoever was met while the others came had a session',
    )
    const { users } = (await home.admin('GET', '/admin/v1/users')).body
    t.match(users, [{ email: body.email, sessions: 1 }])
    const { keys: names } = await home.deps.store.scan({ ending: USER_ENDING, cursor: null, count: 1000 })
    t.strictSame(names, [keys.user(users[0].id)])
  },
)

t.test('a gateway is told the roles, the assurance and the time of the login, and can demand them', async (t) => {
  const home = await openAdminHome(t)
  const me = await home.newcomer()
  const roles = ['editor', 'billing:read']
  await home.admin('PUT', `/admin/v1/users/${me.user.id}/roles`, { body: { roles } })
  const { access_token: token } = (await refresh(home, me)).body
  t.match(await verify(home, token), {
    status: 204,
    headers: {
      'x-auth-subject': me.user.id,
      'x-auth-session': me.session_id,
      'x-auth-roles': 'editor,billing:read',
      'x-auth-acr': 'aal1',
      'x-auth-time': String(decodeJwt(token)['auth_time']),
    },
  })
  for (const query of ['?role=editor', '?role=editor&role=billing:read', '?acr=aal1', '?max_age=300', '?other=1'])
    t.equal((await verify(home, token, query)).status, 204, query)
  for (const query of ['?role=admin', '?role=editor&role=admin', '?acr=aal2', '?role=Editor'])
    t.match(await verify(home, token, query), { status: 403, body: { code: 'insufficient' } }, query)
  for (const query of [
    '?max_age=-1',
    '?max_age=5m',
    '?max_age=',
    '?acr=aal3',
    '?role=',
    '?role=a%20b',
    '?acr=aal1&acr=aal2',
  ])
    t.match(await verify(home, token, query), { status: 400, body: { code: 'bad_request' } }, query)
  home.clock.advance(200_000)
  t.match(await verify(home, token, '?max_age=60'), { status: 403, body: { code: 'insufficient' } })
  t.match(await verify(home, `${token}x`, '?max_age=x'), { status: 401 }, 'the token is judged first')
})

t.test('a disabled account gets no mail to reset its password, and what was mailed before opens nothing', async (t) => {
  const smtp = await startSmtp()
  t.teardown(smtp.stop)
  const home = await openAdminHome(t, mailTo(smtp.url))
  const me = await home.newcomer()
  const forgot = () => home.call('POST', '/v1/password/forgot', { body: { email: me.email } })
  t.equal((await forgot()).status, 202)
  const { token } = await eventually(() => smtp.mailsTo(me.email).map(readLetter).at(-1), { within: 10_000 })
  await home.admin('PUT', `/admin/v1/users/${me.user.id}/disabled`)
  const reset = { token, new_password: 'another one, and long enough' }
  t.match(await home.call('POST', '/v1/password/reset', { body: reset }), {
    status: 400,
    body: { code: 'code_invalid' },
  })
  t.equal((await forgot()).status, 202, 'the same answer')
  t.match(home.events('password.reset_asked'), [{ user_id: me.user.id }, { user_id: null }])
})

const REFUSED: Record<string, [path: string, bodies: unknown[]]> = {
  roles: [
    'roles',
    [
      {},
      { roles: 'editor' },
      { roles: ['a b'] },
      { roles: [''] },
      { roles: ['x'.repeat(65)] },
      { roles: ['é'] },
      { roles: Array.from({ length: 51 }, (_, place) => `r${place}`) },
      { roles: [], more: 1 },
      ['editor'],
    ],
  ],
  app: ['app', [[], '"text"', '1', 'null']],
  disabling: ['disabled', [{ reason: 1 }, { reason: 'x'.repeat(201) }, { at: 1 }]],
}
for (const [what, [path, bodies]] of Object.entries(REFUSED)) {
  t.test(`a malformed ${what} is refused, and changes nothing`, async (t) => {
    const home = await openAdminHome(t)
    const me = await home.newcomer()
    for (const body of bodies) {
      const answer = await home.admin('PUT', `/admin/v1/users/${me.user.id}/${path}`, { body })
      t.match(answer, { status: 400, body: { code: 'bad_request' } }, JSON.stringify(body))
    }
    t.equal((await verify(home, me.access_token)).status, 204)
    for (const user of ['nobody', 'x'.repeat(400), '%00', 'a b'])
      t.equal(
        (await home.admin('PUT', `/admin/v1/users/${encodeURIComponent(user)}/roles`, { body: { roles: [] } })).status,
        404,
      )
  })
}

t.test('what services are told is at most 1 KiB', async (t) => {
  const home = await openAdminHome(t)
  const me = await home.newcomer()
  const put = (bytes: number) =>
    home.admin('PUT', `/admin/v1/users/${me.user.id}/app`, { body: { a: 'x'.repeat(bytes - '{"a":""}'.length) } })
  t.equal((await put(1024)).status, 204)
  t.match(await put(1025), { status: 413, body: { code: 'too_large' } })
})

t.test('the largest token there can be is still one that is taken', async (t) => {
  const home = await openAdminHome(t, { ...ADMIN, ISSUER: `https://${'a'.repeat(60)}.example.org/${'p'.repeat(150)}` })
  const me = await home.newcomer()
  const roles = Array.from({ length: 50 }, (_, place) => `${place}`.padEnd(64, 'r'))
  await home.admin('PUT', `/admin/v1/users/${me.user.id}/roles`, { body: { roles } })
  await home.admin('PUT', `/admin/v1/users/${me.user.id}/app`, { body: { a: 'x'.repeat(1000) } })
  const next = await refresh(home, me)
  t.match(await verify(home, next.body.access_token, `?role=${roles.at(-1)}`), { status: 204 })
})
