import t, { type Test } from 'tap'
import { asOwnerSees, TRAIL_EVENTS, type TrailEvent } from '../../src/domain/trail.ts'
import { keys, lastOf, LOG_ROWS, rowOf } from '../../src/store/keys.ts'
import { append } from '../../src/store/store.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import type { Answer, Newcomer } from '../support/home.ts'
import { mailTo } from '../support/env.ts'
import { firstStep, secondStep, withApp, withPasskey } from '../support/factors.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'
import { startSmtp, readLetter } from '../support/smtp.ts'

// What has happened to an account: what its owner is told, and what the operator is.

const [redis, smtp] = await Promise.all([startRedis(), startSmtp()])
t.teardown(() => Promise.all([redis.stop(), smtp.stop()]))
const STORES = { LMDB: {}, Redis: { REDIS_URL: redis.url } }

const NEW = 'nine blue umbrellas on the roof'
const FROM = { ip: '203.0.113.9', headers: { 'user-agent': 'Test/1.0' } }
const DAY = 86_400_000

/** What all stories have met: each event of a trail, and each reason to end a session. */
const met = new Set<string>()

type Call = AdminHome['call']

const login = async (
  home: AdminHome,
  { email, password }: Pick<Newcomer, 'email' | 'password'>,
): Promise<Newcomer> => ({
  email,
  password,
  ...(await home.call('POST', '/v1/login', { body: { email, password }, ...FROM })).body,
})
const refresh = (home: AdminHome, { refresh_token }: Pick<Newcomer, 'refresh_token'>) =>
  home.call<Newcomer>('POST', '/v1/refresh', { body: { refresh_token }, ...FROM })
const logout = (home: AdminHome, { access_token: token }: Newcomer, scope = 'session') =>
  home.call('POST', '/v1/logout', { token, body: { scope }, ...FROM })

function untimed(told: { readonly at: string }): object {
  const { at: _, ...event } = told
  return event
}

/** The token of the first link that was mailed to this address after so many mails. */
const linkTo = (email: string, before = 0) => {
  const letters = smtp.mailsTo(email).slice(before).map(readLetter)
  return letters.find(({ token }) => token !== '')?.token
}

/** The trail as the operator reads it, oldest first, without the times. */
async function trailOf(home: AdminHome, { user }: Pick<Newcomer, 'user'>) {
  const { status, body } = await home.admin('GET', `/admin/v1/users/${user.id}/events?limit=100`)
  if (status !== 200) throw new Error(`${status}`)
  const events = body.events as { at: string; event: string; reason?: string }[]
  for (const { event, reason } of events) for (const name of [event, reason]) if (name) met.add(name)
  return events.toReversed().map(untimed)
}

/** What the caller of FROM does is told with that. */
const did = (event: string, { session_id }: Pick<Newcomer, 'session_id'>, reason?: string) => ({
  event,
  session_id,
  ...(reason && { reason }),
  ip: '203.0.113.9',
  user_agent: 'Test/1.0',
})

const STORIES: Record<string, (t: Test, home: AdminHome) => Promise<void>> = {
  async 'a person sees each login and why each session ended, newest first, and from where'(t, home) {
    const me = await home.newcomer()
    const [one, two, three] = [await login(home, me), await login(home, me), await login(home, me)]
    await home.call('DELETE', `/v1/sessions/${two.session_id}`, { token: three.access_token, ...FROM })
    await logout(home, one)
    await logout(home, one)
    const four = await login(home, me)
    await logout(home, four, 'others')
    await home.call('POST', '/v1/login', { body: { email: me.email, password: NEW } })
    await refresh(home, four)
    const { body, status } = await home.call('GET', '/v1/me/events', { token: four.access_token })
    t.equal(status, 200)
    const wanted = [
      { event: 'account.registered', session_id: me.session_id, ip: '127.0.0.1', user_agent: 'lightMyRequest' },
      did('login.succeeded', one),
      did('login.succeeded', two),
      did('session.ended', me, 'evicted'),
      did('login.succeeded', three),
      did('session.ended', two, 'revoked'),
      did('session.ended', one, 'logged_out'),
      did('login.succeeded', four),
      did('session.ended', three, 'logged_out'),
    ]
    t.strictSame(
      body.events.map(
        ({ at, ...event }: { at: string }) => (t.equal(at, new Date(home.clock.now).toISOString()), event),
      ),
      wanted.toReversed(),
      'no failed login, no refresh, and no logout of what was over',
    )
    t.notOk('next' in body)
    t.strictSame(await trailOf(home, me), wanted, 'the operator sees the same')
  },

  async 'a change of the password tells what it ended, and who did it'(t, home) {
    const me = await home.newcomer()
    const other = await login(home, me)
    const body = { current_password: me.password, new_password: NEW }
    await home.call('POST', '/v1/password', {
      token: me.access_token,
      body: { ...body, current_password: NEW },
      ...FROM,
    })
    t.equal((await home.call('POST', '/v1/password', { token: me.access_token, body, ...FROM })).status, 200)
    t.strictSame((await trailOf(home, me)).slice(2), [
      did('session.ended', other, 'password_changed'),
      did('password.changed', me),
    ])
  },

  async 'a session that two share is told when it is doubted, and when it ends for it'(t, home) {
    const me = await home.newcomer()
    const next = (await refresh(home, me)).body
    home.clock.advance(10_000)
    await refresh(home, me)
    await refresh(home, next)
    home.clock.advance(10_000)
    await refresh(home, next)
    t.strictSame((await trailOf(home, me)).slice(1), [did('session.doubted', me)])
    t.match(await refresh(home, me), { status: 401, body: { reason: 'token_reused' } })
    t.strictSame((await trailOf(home, me)).slice(2), [
      did('session.reused', me),
      did('session.ended', me, 'token_reused'),
    ])
  },

  async 'what is done by mail is told, and that a mail was asked for is not'(t, home) {
    const me = await home.newcomer()
    const other = await login(home, me)
    const { access_token: token } = me
    const ask = async (address: string, path: string, body: object) => {
      const before = smtp.mailsTo(address).length
      t.equal((await home.call('POST', path, { token, body })).status, 202)
      return eventually(() => linkTo(address, before), { within: 20_000 })
    }
    const verifying = await ask(me.email, '/v1/email/verification', {})
    await home.call('POST', '/v1/email/verify', { token, body: { token: verifying }, ...FROM })
    const email = `new-${me.email}`
    const changing = await ask(email, '/v1/email/change', { new_email: email })
    await home.call('POST', '/v1/email/change/confirm', { token, body: { token: changing }, ...FROM })
    const resetting = await ask(email, '/v1/password/forgot', { email })
    await home.call('POST', '/v1/password/reset', { body: { token: resetting, new_password: NEW }, ...FROM })
    const { session_id: _, ...reset } = did('password.reset', me)
    t.strictSame((await trailOf(home, me)).slice(2), [
      did('email.verified', me),
      did('session.ended', other, 'email_changed'),
      did('email.changed', me),
      did('session.ended', me, 'password_reset'),
      reset,
    ])
  },

  async 'what the operator did is told to the operator by key and actor, and to the owner by neither'(t, home) {
    const me = await home.newcomer()
    const at = `/admin/v1/users/${me.user.id}`
    const headers = { 'x-actor': 'grace', 'user-agent': 'Ops/1.0' }
    const order = (method: string, path: string, body?: object) =>
      home.admin(method, `${at}/${path}`, { headers, ip: '10.9.8.7', ...(body && { body }) })
    await order('PUT', 'roles', { roles: ['editor'] })
    await order('PUT', 'app', { plan: 'pro' })
    await order('PUT', 'disabled', { reason: 'fraud' })
    await order('DELETE', 'disabled')
    await order('DELETE', 'disabled')
    const back = await login(home, me)
    await home.admin('DELETE', `${at}/sessions`)
    t.equal((await home.admin('POST', `${at}/password-reset`)).status, 202)
    const token = await eventually(() => linkTo(me.email), { within: 20_000 })
    await home.call('POST', '/v1/password/reset', { body: { token, new_password: NEW }, ...FROM })
    const again = await login(home, { ...me, password: NEW })
    const mine = (await home.call('GET', '/v1/me/events', { token: again.access_token })).body.events
    const by = { by: 'ops', actor: 'grace' }
    const wanted = [
      { event: 'roles.changed', ...by },
      { event: 'app.changed', ...by },
      { event: 'session.ended', session_id: me.session_id, reason: 'disabled', ...by },
      { event: 'account.disabled', ...by },
      { event: 'account.enabled', ...by },
      did('login.succeeded', back),
      { event: 'session.ended', session_id: back.session_id, reason: 'revoked', by: 'ops' },
      { event: 'password.reset_required', by: 'ops' },
      { event: 'password.reset', ip: '203.0.113.9', user_agent: 'Test/1.0' },
      did('login.succeeded', again),
    ]
    t.strictSame((await trailOf(home, me)).slice(1), wanted)
    const toldOwner = mine.toReversed().map(untimed)
    const asTold = (event: object) => asOwnerSees(event as TrailEvent)
    t.strictSame(toldOwner.slice(1), wanted.map(asTold))
    t.notMatch(JSON.stringify(mine), /ops|grace|Ops|10\.9\.8\.7|fraud/)
    t.match(JSON.stringify(mine), /"by":"operator"/)
  },

  async 'a person sees which second factor was added, used up, doubted and removed, and by whom'(t, home) {
    const from = {
      ...home,
      call: ((method, path, options) => home.call(method, path, { ...options, ...FROM })) as Call,
    }
    const person = await home.newcomer()
    const other = await login(home, person)
    const me = await withApp(from, person)
    const asked = await firstStep(from, me)
    const codes = me.recovery_codes
    const { body: back } = await secondStep(from, asked['challenge'], { recovery_code: codes[0] })
    const owner = await withPasskey(from, { me: { ...me, ...back } })
    const { passkey, access_token: token } = owner
    for (const copied of [false, true]) {
      const { challenge, public_key } = (await from.call('POST', '/v1/step-up/options', { token })).body
      if (copied) passkey.counter = 0
      await from.call('POST', '/v1/step-up', { token, body: { challenge, passkey: passkey.assert(public_key) } })
    }
    t.equal((await from.call('DELETE', '/v1/factors/totp', { token })).status, 204)
    const headers = { 'x-actor': 'grace' }
    t.equal((await home.admin('DELETE', `/admin/v1/users/${me.user.id}/factors`, { headers })).status, 204)
    const by = { by: 'ops', actor: 'grace' }
    const { session_id: _, ...nobody } = did('', me)
    t.strictSame((await trailOf(home, me)).slice(2), [
      did('session.ended', other, 'factor_changed'),
      did('factor.added', me),
      { ...nobody, event: 'recovery_code.used' },
      did('login.succeeded', back),
      did('factor.added', back),
      { ...nobody, event: 'passkey.counter_fell' },
      did('factor.removed', back),
      { event: 'session.ended', session_id: me.session_id, reason: 'factor_changed', ...by },
      { event: 'session.ended', session_id: back.session_id, reason: 'factor_changed', ...by },
      { event: 'factor.removed', ...by },
      { event: 'factor.removed', ...by },
    ])
  },

  async 'a trail is read page by page: each event once, whatever happens meanwhile'(t, home) {
    const me = await home.newcomer()
    for (let turn = 0; turn < 9; turn += 1) await logout(home, await login(home, me))
    const last = await login(home, me)
    const at = `/admin/v1/users/${me.user.id}`
    const seen: object[] = []
    let cursor = ''
    for (let pages = 0; pages < 10; pages += 1) {
      const { body } = await home.admin('GET', `${at}/events?limit=4${cursor}`)
      t.equal(body.events.length, 4)
      seen.push(...body.events.map(untimed))
      if (body.next === undefined) break
      cursor = `&cursor=${body.next}`
      await home.admin('PUT', `${at}/app`, { body: {} })
    }
    t.strictSame(seen, (await trailOf(home, me)).slice(0, 20).toReversed(), '20 events in 5 pages, the last one full')
    const path = '/v1/me/events'
    const { access_token: token } = (await refresh(home, last)).body
    for (const query of [
      '?limit=0',
      '?limit=101',
      '?limit=x',
      '?cursor=0',
      '?cursor=x',
      '?cursor=',
      '?limit=1&limit=2',
    ])
      t.match(await home.call('GET', path + query, { token }), { status: 400, body: { code: 'bad_request' } }, query)
    t.equal((await home.call('GET', `${path}?cursor=999999999999999`, { token })).body.events.length, 24)
    t.strictSame((await home.call('GET', `${path}?cursor=1`, { token })).body, { events: [] })
  },

  async 'a client that logs in all day long fills no more than the last rows, and the newest are there'(t, home) {
    const me = await home.newcomer()
    const trail = keys.trail(me.user.id)
    const old = { at: home.clock.now, event: 'login.succeeded' } as const
    const rows = Array.from({ length: LOG_ROWS }, () => old)
    await home.deps.store.commit({
      checks: [],
      puts: [],
      deletes: [],
      append: append(trail, rows, home.clock.now + DAY),
    })
    const last = await login(home, me)
    t.match(await home.call('GET', '/v1/me/events?limit=1', { token: last.access_token }), {
      body: { events: [did('login.succeeded', last)], next: `${LOG_ROWS + 2}` },
    })
    t.same(await home.deps.store.getMany([rowOf(trail, 1), rowOf(trail, 2)]), [null, null])
    let [count, cursor] = [0, '']
    while (cursor !== 'none') {
      const { body } = await home.call('GET', `/v1/me/events?limit=100${cursor}`, { token: last.access_token })
      count += body.events.length
      cursor = body.next === undefined ? 'none' : `&cursor=${body.next}`
    }
    t.equal(count, LOG_ROWS)
  },

  async 'the trail goes with the account, whatever races it, and whoever has the id next begins anew'(t, home) {
    for (const remove of ['owner', 'operator']) {
      const me = await home.newcomer()
      const others = [await login(home, me), await login(home, me)]
      const trail = keys.trail(me.user.id)
      const left = async () => (await home.deps.store.getMany([lastOf(trail), ...places(trail)])).filter(Boolean).length
      t.equal(await left(), 4)
      const { access_token: token, password } = me
      const removing: Promise<Answer> =
        remove === 'owner'
          ? home.call('DELETE', '/v1/me', { token, body: { password } })
          : home.admin('DELETE', `/admin/v1/users/${me.user.id}`)
      const racing = [...others.map((each) => logout(home, each)), refresh(home, me), login(home, me)]
      const [{ status }] = await Promise.all([removing, ...racing])
      t.equal(status, 204)
      t.equal(await left(), 0, remove)
      t.match(await home.admin('GET', `/admin/v1/users/${me.user.id}/events`), { status: 404 })
      t.match(await home.call('GET', '/v1/me/events', { token }), { status: 401, body: { code: 'token_revoked' } })

      const body = { id: me.user.id, email: `next-${me.email}` }
      t.equal((await home.admin('POST', '/admin/v1/users', { body })).status, 201)
      t.strictSame(await trailOf(home, me), [{ event: 'account.created', by: 'ops' }])
    }
  },
}

const places = (trail: ReturnType<typeof keys.trail>) =>
  Array.from({ length: 20 }, (_, place) => rowOf(trail, place + 1))

for (const [store, env] of Object.entries(STORES))
  for (const [name, story] of Object.entries(STORIES))
    t.test(`${name}, on ${store}`, async (t) => {
      const limits = { LIMIT_MAIL: '1000/1h', LIMIT_MAIL_TOTAL: '100000/1h', SESSION_MAX: '3' }
      return story(t, await openAdminHome(t, { ...mailTo(smtp.url), ...limits, ...env }))
    })

t.test('an event is kept for EVENTS_KEPT', async (t) => {
  const home = await openAdminHome(t, { EVENTS_KEPT: '2d' })
  const me = await home.newcomer()
  home.clock.advance(DAY)
  const second = await login(home, me)
  home.clock.advance(DAY - 1000)
  t.equal((await trailOf(home, me)).length, 2)
  home.clock.advance(2000)
  t.strictSame(await trailOf(home, me), [did('login.succeeded', second)])
  home.clock.advance(2 * DAY)
  t.strictSame(await trailOf(home, me), [])
  const third = await login(home, me)
  t.strictSame(await trailOf(home, me), [did('login.succeeded', third)])
})

t.test('nobody reads a trail without a token of the account, or a key', async (t) => {
  const home = await openAdminHome(t)
  const [me, other] = [await home.newcomer(), await home.newcomer()]
  t.match(await home.call('GET', '/v1/me/events'), { status: 401, body: { code: 'no_token' } })
  t.notMatch((await home.call('GET', '/v1/me/events', { token: other.access_token })).body, {
    events: [{ session_id: me.session_id }],
  })
  const path = `/admin/v1/users/${me.user.id}/events`
  for (const token of ['', me.access_token]) t.equal((await home.admin('GET', path, { token })).status, 401)
  t.equal((await home.call('GET', path, { token: me.access_token })).status, 404, 'not on the public listener')
  for (const id of ['nobody', '%00', `${me.user.id}}:event`])
    t.equal((await home.admin('GET', `/admin/v1/users/${encodeURIComponent(id)}/events`)).status, 404)
  t.match(await home.admin('GET', `${path}?limit=0`), { status: 400, body: { code: 'bad_request' } })
})

t.test('every event that belongs to a trail, and every reason that a session is ended for, was met above', (t) => {
  const reasons = ['logged_out', 'revoked', 'password_changed', 'token_reused', 'evicted']
  const others = ['password_reset', 'email_changed', 'factor_changed', 'disabled']
  t.strictSame([...met].toSorted(), [...TRAIL_EVENTS, ...reasons, ...others].toSorted())
  t.end()
})
