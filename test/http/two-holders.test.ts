import t, { type Test } from 'tap'
import { keys } from '../../src/store/keys.ts'
import { type Answer, type CallOptions, type Newcomer, openHome } from '../support/home.ts'
import { eventually } from '../support/settle.ts'

// Two hold the tokens of one session, the owner and a thief: neither can go on for long, and nobody else is taken for one.

const SECOND = 1000
const MINUTE = 60 * SECOND
const DAY = 24 * 60 * MINUTE
const SAME_SITE = { 'sec-fetch-site': 'same-origin' }

const home = await openHome({ ACCESS_TTL: '5m' })
t.teardown(home.close)

const refresh = (refresh_token: string, options: CallOptions = {}) =>
  home.call('POST', '/v1/refresh', { ...options, body: { refresh_token } })
const verify = (token: string) => home.call('GET', '/v1/verify', { token })
const changePassword = ({ access_token: token, password }: Newcomer) =>
  home.call('POST', '/v1/password', { token, body: { current_password: password, new_password: `${password} again` } })
const eventsOf = (name: string, { session_id }: Newcomer) =>
  home.events(name).filter((event) => event['session_id'] === session_id)

async function next(t: Test, token: string, options: CallOptions = {}): Promise<Newcomer> {
  const { status, body } = await refresh(token, options)
  t.equal(status, 200, body.reason ?? body.code)
  return body
}

/** Shows the access token, and waits until that is known. */
async function arrive({ session_id, access_token }: Newcomer, { user }: Newcomer): Promise<void> {
  await verify(access_token)
  const isHeld = async () => {
    const record = (await home.deps.store.get(keys.session(user.id, session_id)))?.value
    return record?.kind === 'live' && record.held === record.counter
  }
  await eventually(isHeld, { within: 1000 })
}

function isOver(t: Test, answer: Answer, reason: string) {
  t.match(answer, { status: 401, body: { code: 'session_over', reason } })
}

const OWNER = { ip: '192.0.2.1', headers: { 'user-agent': 'the owner' } }
const THIEF = { ip: '203.0.113.9', headers: { 'user-agent': 'a thief' } }

t.test(
  'a thief who is first at every rotation, and shows no access token before the owner came, is found out',
  async (t) => {
    const me = await home.newcomer()
    let token = me.refresh_token
    for (let round = 1; round <= 3; round += 1) {
      const stolen = await next(t, token, THIEF)
      home.clock.advance(MINUTE)
      const owners = await next(t, token, OWNER)
      t.equal(owners.refresh_token, stolen.refresh_token, 'the owner is answered as one whose answer was lost')
      await arrive(stolen, me)
      home.clock.advance(4 * MINUTE)
      token = stolen.refresh_token
    }
    const stolen = await next(t, token, THIEF)
    home.clock.advance(MINUTE)
    isOver(t, await refresh(token, OWNER), 'token_reused')
    isOver(t, await refresh(stolen.refresh_token, THIEF), 'token_reused')
    t.match(await verify(stolen.access_token), { status: 401, body: { code: 'token_revoked' } })
  },
)

t.test('a thief who is always second, and where services verify by themselves, is found out as soon', async (t) => {
  const me = await home.newcomer()
  let token = me.refresh_token
  const outcomes: number[] = []
  for (let round = 1; round <= 4; round += 1) {
    const owners = await next(t, token, OWNER)
    home.clock.advance(11 * SECOND)
    outcomes.push((await refresh(token, THIEF)).status)
    token = owners.refresh_token
    home.clock.advance(4 * MINUTE)
  }
  t.strictSame(outcomes, [200, 200, 200, 401])
})

t.test(
  'the second late repeat in a row is an event that says which token came, how late, and from where before',
  async (t) => {
    const me = await home.newcomer()
    const one = await next(t, me.refresh_token, OWNER)
    home.clock.advance(MINUTE)
    await next(t, me.refresh_token, THIEF)
    t.match(eventsOf('session.refreshed', me).at(-1), { how: 'late', streak: 1, counter: 0, current_counter: 1 })
    t.equal(eventsOf('session.doubted', me).length, 0, 'one lost answer is no cause for doubt')
    await next(t, one.refresh_token, OWNER)
    home.clock.advance(MINUTE)
    for (let again = 0; again < 3; again += 1) await next(t, one.refresh_token, THIEF)
    const doubted = eventsOf('session.doubted', me)
    t.equal(doubted.length, 1, 'said once')
    t.match(doubted[0], {
      user_id: me.user.id,
      counter: 1,
      current_counter: 2,
      spent_ms_ago: MINUTE,
      streak: 2,
      last_ip: OWNER.ip,
      last_user_agent: 'the owner',
      ip: THIEF.ip,
      user_agent: 'a thief',
    })
  },
)

t.test('a late repeat shows its address and device in the list; one within the grace does not', async (t) => {
  const me = await home.newcomer()
  const one = await next(t, me.refresh_token, OWNER)
  await refresh(me.refresh_token, THIEF)
  const listed = async () => (await home.call('GET', '/v1/sessions', { token: one.access_token })).body.sessions[0]
  t.match(await listed(), { ip: OWNER.ip, user_agent: 'the owner' })
  const two = await next(t, one.refresh_token, OWNER)
  home.clock.advance(MINUTE)
  await next(t, one.refresh_token, THIEF)
  t.match((await home.call('GET', '/v1/sessions', { token: two.access_token })).body.sessions[0], {
    ip: THIEF.ip,
    user_agent: 'a thief',
  })
})

t.test('one spent token, shown now and then, does not keep a remembered session from idling out', async (t) => {
  const me = await home.newcomer({ remember: true })
  const lost = await next(t, me.refresh_token)
  for (let day = 1; day < 14; day += 1) {
    home.clock.advance(DAY)
    t.match(await next(t, me.refresh_token), { refresh_expires_in: (14 - day) * 86_400 })
  }
  home.clock.advance(DAY)
  isOver(t, await refresh(me.refresh_token), 'idle_timeout')
  isOver(t, await refresh(lost.refresh_token), 'idle_timeout')
})

t.test('reuse and a refused refresh say what an operator needs to tell a thief from an old tab', async (t) => {
  const me = await home.newcomer()
  const one = await next(t, me.refresh_token, OWNER)
  await arrive(one, me)
  home.clock.advance(MINUTE)
  isOver(t, await refresh(me.refresh_token, THIEF), 'token_reused')
  t.match(eventsOf('session.reused', me), [
    { counter: 0, current_counter: 1, spent_ms_ago: MINUTE, last_ip: OWNER.ip, ip: THIEF.ip },
  ])
  const lastUsedAt = new Date(home.clock.now - MINUTE).toISOString()
  t.match(eventsOf('refresh.refused', me), [{ reason: 'token_reused', counter: 0, last_used_at: lastUsedAt }])
  const idle = await home.newcomer()
  home.clock.advance(30 * MINUTE)
  await refresh(idle.refresh_token)
  t.match(eventsOf('refresh.refused', idle), [{ reason: 'idle_timeout', counter: 0 }])
  await refresh('garbage')
  t.match(home.events('refresh.refused').at(-1), { reason: 'token_invalid', session_id: null, counter: null })
})

t.test('after a password change the token of before is good for a lost answer only', async (t) => {
  const me = await home.newcomer()
  const one = await next(t, me.refresh_token)
  const changed = await changePassword({ ...me, ...one })
  const found = await next(t, one.refresh_token)
  t.equal(found.refresh_token, changed.body.refresh_token)
  isOver(t, await refresh(me.refresh_token), 'password_changed')
  await arrive(found, me)
  isOver(t, await refresh(one.refresh_token), 'password_changed')
  await next(t, found.refresh_token)
  t.equal(eventsOf('session.reused', me).length, 0, 'the session lives')
  home.clock.advance(10 * SECOND)
  isOver(t, await refresh(one.refresh_token), 'token_reused')
})

t.test('a tab that is overtaken by a password change leaves the browser its cookie', async (t) => {
  const me = await home.newcomer()
  const credentials = { email: me.email, password: me.password, transport: 'cookie' }
  const inCookie = await home.call('POST', '/v1/login', { body: credentials, headers: SAME_SITE })
  const cookie = String(inCookie.headers['set-cookie']).split(';')[0] as string
  const changed = await changePassword({ ...me, ...inCookie.body })
  const newCookie = String(changed.headers['set-cookie']).split(';')[0] as string
  await arrive(changed.body, me)
  const overtaken = await home.call('POST', '/v1/refresh', { headers: { ...SAME_SITE, cookie } })
  isOver(t, overtaken, 'password_changed')
  t.notOk(overtaken.headers['set-cookie'])
  t.equal((await home.call('POST', '/v1/refresh', { headers: { ...SAME_SITE, cookie: newCookie } })).status, 200)
})
