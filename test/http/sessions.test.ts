import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { sealRefreshToken, unsealRefreshToken } from '../../src/domain/refresh-token.ts'
import { keys } from '../../src/store/keys.ts'
import { type Answer, type Home, type Newcomer, openHome } from '../support/home.ts'
import { type RedisProcess, startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const PASSWORD = 'seven red bicycles in the rain'
const SAME_SITE = { 'sec-fetch-site': 'same-origin' }

const home = await openHome()
t.teardown(home.close)

const login = (email: string, more: object = {}, at = home) =>
  at.call('POST', '/v1/login', { body: { email, password: PASSWORD, ...more }, headers: SAME_SITE })
const refresh = (refresh_token: string, at = home) => at.call('POST', '/v1/refresh', { body: { refresh_token } })
const verify = (token: string, at = home) => at.call('GET', '/v1/verify', { token })
const logout = (body: object, at = home) => at.call('POST', '/v1/logout', { body })
const list = async (token: string, at = home) => (await at.call('GET', '/v1/sessions', { token })).body.sessions
const withCookie = (token: string) => ({ headers: { ...SAME_SITE, cookie: `__Host-refresh_token=${token}` } })

/** Refreshes, and answers the tokens; fails the test if it is refused. */
async function next(t: Test, refresh_token: string, at = home): Promise<Newcomer> {
  const { status, body } = await refresh(refresh_token, at)
  t.equal(status, 200, body.reason ?? body.code)
  return body
}

function isOver(t: Test, answer: Answer, reason: string) {
  t.match(answer, { status: 401, headers: { 'www-authenticate': /^Bearer .*error="invalid_token"$/ } }, reason)
  t.match(answer.body, { code: 'session_over', status: 401, reason })
}

/** Uses an access token for the first time, and waits until that is known: the answer it came with has arrived. */
async function arrive(t: Test, { access_token, session_id }: Newcomer, userId: string, at = home) {
  t.equal((await verify(access_token, at)).status, 204)
  await eventually(
    async () => {
      const record = (await at.deps.store.get(keys.session(userId, session_id)))?.value
      return record?.kind === 'live' && record.held === record.counter
    },
    { within: 1000 },
  )
}

/** Does something again and again until the answer is there. */
async function during<T>(answer: Promise<T>, act: () => Promise<void>): Promise<T> {
  const state = { isOver: false }
  const settled = answer.finally(() => (state.isOver = true))
  while (!state.isOver) await act()
  return settled
}

/** The refresh token in the Set-Cookie of an answer. */
function cookieOf({ headers }: Answer): string {
  return /^__Host-refresh_token=([\w-]+);/.exec(String(headers['set-cookie']))?.[1] ?? ''
}

// ---- Rotation: the rules of a spent refresh token, as stories

t.test('every refresh answers a new refresh token and a working access token of the same session', async (t) => {
  const me = await home.newcomer()
  const seen = new Set([me.refresh_token, me.access_token])
  let { refresh_token } = me
  for (let i = 0; i < 5; i += 1) {
    const answer = await next(t, refresh_token)
    t.equal(answer.session_id, me.session_id)
    t.equal((await verify(answer.access_token)).status, 204)
    refresh_token = answer.refresh_token
    seen.add(refresh_token).add(answer.access_token)
    home.clock.advance(MINUTE)
  }
  t.equal(seen.size, 12)
})

t.test('a lost response: the same token, sent again, brings the same successor at any age', async (t) => {
  for (const wait of [0, SECOND, 11 * SECOND, 29 * MINUTE, 30 * MINUTE - 1]) {
    const me = await home.newcomer()
    const lost = await next(t, me.refresh_token)
    home.clock.advance(wait)
    const found = await next(t, me.refresh_token)
    t.equal(found.refresh_token, lost.refresh_token, `after ${wait} ms`)
    t.equal((await verify(found.access_token)).status, 204)
    await next(t, found.refresh_token)
  }
})

t.test('a response lost twice and thrice is still given again, and puts the idle timeout off by nothing', async (t) => {
  const me = await home.newcomer()
  const lost = await next(t, me.refresh_token)
  for (const minutes of [9, 18, 27]) {
    home.clock.advance(9 * MINUTE)
    const found = await next(t, me.refresh_token)
    t.equal(found.refresh_token, lost.refresh_token)
    t.match(found, { refresh_expires_in: (30 - minutes) * 60 })
  }
  await next(t, lost.refresh_token)
})

t.test('a lost response is no excuse beyond the idle timeout: the session has timed out', async (t) => {
  const me = await home.newcomer()
  await next(t, me.refresh_token)
  home.clock.advance(30 * MINUTE)
  isOver(t, await refresh(me.refresh_token), 'idle_timeout')
  t.equal(home.events('session.reused').filter((event) => event['session_id'] === me.session_id).length, 0)
})

t.test('responses lost one after the other, each found again, never end the session', async (t) => {
  const me = await home.newcomer()
  let token = me.refresh_token
  for (let i = 0; i < 11; i += 1) {
    const lost = await next(t, token)
    home.clock.advance(i % 4 === 3 ? 9 * SECOND : 20 * MINUTE) // late at three rotations in a row, in time at the fourth
    t.equal((await next(t, token)).refresh_token, lost.refresh_token)
    token = lost.refresh_token
  }
})

t.test('two tabs: the second one, seconds later, gets the same token and both go on', async (t) => {
  const me = await home.newcomer()
  const first = await next(t, me.refresh_token)
  await arrive(t, first, me.user.id)
  home.clock.advance(9 * SECOND)
  const second = await next(t, me.refresh_token)
  t.equal(second.refresh_token, first.refresh_token)
  t.equal((await verify(first.access_token)).status, 204)
  t.equal((await verify(second.access_token)).status, 204)
})

t.test('a slow tab gets the current token even if its successor has been spent meanwhile', async (t) => {
  const me = await home.newcomer()
  const one = await next(t, me.refresh_token)
  home.clock.advance(4 * SECOND)
  const two = await next(t, one.refresh_token)
  home.clock.advance(4 * SECOND)
  const three = await next(t, two.refresh_token)
  home.clock.advance(2 * SECOND - 1)
  for (const spent of [me, one, two]) t.equal((await next(t, spent.refresh_token)).refresh_token, three.refresh_token)
  await next(t, three.refresh_token)
})

t.test('the grace of a token ends 10 s after its own first use, not after its last', async (t) => {
  for (const [wait, isKept] of [
    [9999, true],
    [10_000, false],
  ] as const) {
    const me = await home.newcomer()
    const one = await next(t, me.refresh_token)
    await arrive(t, one, me.user.id)
    home.clock.advance(5000)
    await next(t, me.refresh_token) // in the grace; does not prolong it
    home.clock.advance(wait - 5000)
    const answer = await refresh(me.refresh_token)
    if (isKept) t.equal(answer.body.refresh_token, one.refresh_token, `${wait} ms`)
    else isOver(t, answer, 'token_reused')
  }
})

t.test('grace: a configured length is kept to the millisecond, and none at all is possible', async (t) => {
  const long = await openHome({ REFRESH_GRACE: '1m' })
  t.teardown(long.close)
  const none = await openHome({ REFRESH_GRACE: '0s' })
  t.teardown(none.close)
  for (const [at, wait, status] of [
    [long, 59_999, 200],
    [long, 60_000, 401],
    [none, 0, 401],
  ] as const) {
    const me = await at.newcomer()
    const one = await next(t, me.refresh_token, at)
    await next(t, one.refresh_token, at)
    at.clock.advance(wait)
    t.equal((await refresh(me.refresh_token, at)).status, status, `${wait} ms`)
  }
  const me = await none.newcomer()
  const lost = await next(t, me.refresh_token, none)
  t.equal((await next(t, me.refresh_token, none)).refresh_token, lost.refresh_token, 'a lost answer needs no grace')
})

t.test('confirmed by use: once its access token has been seen, the spent token is reuse after the grace', async (t) => {
  const me = await home.newcomer()
  const one = await next(t, me.refresh_token)
  await arrive(t, one, me.user.id)
  home.clock.advance(10 * SECOND)
  isOver(t, await refresh(me.refresh_token), 'token_reused')
  t.match(await verify(one.access_token), { status: 401, body: { code: 'token_revoked' } })
  isOver(t, await refresh(one.refresh_token), 'token_reused')
})

t.test('a token by a key that this instance has not heard of yet is looked up, not refused', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const [maker, other] = [await openHome({ REDIS_URL: redis.url }), await openHome({ REDIS_URL: redis.url })]
  for (const each of [maker, other]) t.teardown(each.close)
  for (let month = 0; month < 3; month += 1) {
    maker.clock.advance(31 * DAY)
    await maker.deps.keyring.reload()
  }
  const me = await maker.newcomer()
  t.equal((await verify(me.access_token, other)).status, 204)
  const header = Buffer.from('{"alg":"ES256","typ":"at+jwt","kid":"none"}').toString('base64url')
  const forged = me.access_token.replace(/^[^.]+/, header)
  t.match(await verify(forged, other), { status: 401, body: { code: 'token_invalid' } })
})

t.test('a refresh that meets another store than the keys came from is 503 and keeps the cookie', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const swapped = await openHome({ REDIS_URL: redis.url })
  t.teardown(swapped.close)
  const me = await swapped.newcomer()
  await redis.cli('FLUSHALL')
  const answer = await refresh(me.refresh_token, swapped)
  t.match(answer, { status: 503, body: { code: 'store_unavailable' } })
  t.notOk(answer.headers['set-cookie'])
})

t.test(
  'two answers lost, of a refresh and of a password change: the token the client has is answered still',
  async (t) => {
    const me = await home.newcomer()
    await next(t, me.refresh_token)
    const new_password = 'eight green boats on the lake'
    const body = { current_password: PASSWORD, new_password }
    t.equal((await home.call('POST', '/v1/password', { token: me.access_token, body })).status, 200)
    home.clock.advance(MINUTE)
    const again = await next(t, me.refresh_token)
    t.equal(again.session_id, me.session_id)
    t.equal((await verify(again.access_token)).status, 204)
  },
)

t.test('a revoked access token cannot log the session out, however late it is shown', async (t) => {
  const me = await home.newcomer()
  const body = { current_password: PASSWORD, new_password: 'eight green boats on the lake' }
  const changed = await home.call('POST', '/v1/password', { token: me.access_token, body })
  for (const wait of [0, MINUTE, 10 * MINUTE]) {
    home.clock.advance(wait)
    t.equal((await home.call('POST', '/v1/logout', { token: me.access_token })).status, 204)
  }
  await next(t, changed.body.refresh_token)
})

t.test(
  'a session that has timed out and left the list comes back by no refresh under way, nor by a clock behind',
  async (t) => {
    const one = await openHome({ SESSION_MAX: '1' })
    t.teardown(one.close)
    const me = await one.newcomer()
    one.clock.advance(35 * MINUTE + 10 * SECOND)
    await login(me.email, {}, one)
    one.clock.advance(-6 * MINUTE)
    isOver(t, await refresh(me.refresh_token, one), 'idle_timeout')
  },
)

t.test('confirmed on any guarded route: /v1/me, the session list, data and preferences tell as well', async (t) => {
  for (const path of ['/v1/me', '/v1/sessions', '/v1/session/data', '/v1/me/preferences']) {
    const me = await home.newcomer()
    const one = await next(t, me.refresh_token)
    t.equal((await home.call('GET', path, { token: one.access_token })).status, 200)
    await arrive(t, one, me.user.id)
    home.clock.advance(10 * SECOND)
    isOver(t, await refresh(me.refresh_token), 'token_reused')
  }
})

t.test('an access token of an earlier rotation confirms nothing', async (t) => {
  const me = await home.newcomer()
  const one = await next(t, me.refresh_token)
  const lost = await next(t, one.refresh_token)
  t.equal((await verify(me.access_token)).status, 204)
  t.equal((await verify(one.access_token)).status, 204)
  home.clock.advance(11 * SECOND)
  t.equal((await next(t, one.refresh_token)).refresh_token, lost.refresh_token)
})

t.test('access tokens of two rotations that are first seen at once confirm the later one', async (t) => {
  const me = await home.newcomer()
  const one = await next(t, me.refresh_token)
  const passwords = { current_password: me.password, new_password: 'eight blue tricycles in the snow' }
  const changed = await home.call('POST', '/v1/password', { token: me.access_token, body: passwords })
  await Promise.all([verify(one.access_token), arrive(t, changed.body, me.user.id)])
  home.clock.advance(11 * SECOND)
  isOver(t, await refresh(one.refresh_token), 'token_reused')
})

t.test('a token that nobody has replayed stays good, however often its access token is used', async (t) => {
  const me = await home.newcomer()
  const one = await next(t, me.refresh_token)
  await arrive(t, one, me.user.id)
  home.clock.advance(20 * MINUTE)
  const two = await next(t, one.refresh_token)
  t.not(two.refresh_token, one.refresh_token)
})

t.test('a thief who uses a stolen token second is found out, and the session ends for both', async (t) => {
  const me = await home.newcomer()
  const stolen = me.refresh_token
  const mine = await next(t, stolen)
  const mineToo = await next(t, mine.refresh_token)
  home.clock.advance(MINUTE)
  isOver(t, await refresh(stolen), 'token_reused')
  for (const { access_token } of [me, mine, mineToo]) {
    t.match(await verify(access_token), { status: 401, body: { code: 'token_revoked' } })
  }
  isOver(t, await refresh(mineToo.refresh_token), 'token_reused')
  const events = home.events('session.reused').filter((event) => event['session_id'] === me.session_id)
  t.equal(events.length, 1, 'recorded once')
  t.equal((await login(me.email)).status, 200)
})

t.test('a thief who uses a stolen token first is found out when the owner refreshes', async (t) => {
  const me = await home.newcomer()
  const thief = await next(t, me.refresh_token)
  await arrive(t, thief, me.user.id)
  home.clock.advance(5 * MINUTE)
  isOver(t, await refresh(me.refresh_token), 'token_reused')
  t.equal((await verify(thief.access_token)).status, 401)
  isOver(t, await refresh(thief.refresh_token), 'token_reused')
})

t.test('a token much older than the last few is reuse too', async (t) => {
  const me = await home.newcomer()
  let { refresh_token } = me
  for (let i = 0; i < 40; i += 1) ({ refresh_token } = await next(t, refresh_token))
  t.equal((await refresh(me.refresh_token)).body.refresh_token, refresh_token, 'inside the grace')
  home.clock.advance(10 * SECOND)
  isOver(t, await refresh(me.refresh_token), 'token_reused')
})

t.test('reuse ends one session: the other devices of the user go on', async (t) => {
  const me = await home.newcomer()
  const phone = (await login(me.email)).body
  const one = await next(t, me.refresh_token)
  await next(t, one.refresh_token)
  home.clock.advance(10 * SECOND)
  isOver(t, await refresh(me.refresh_token), 'token_reused')
  t.equal((await verify(phone.access_token)).status, 204)
  await next(t, phone.refresh_token)
})

t.test('a counter ahead of the store under a valid MAC is a write lost by a failover: the session heals', async (t) => {
  const me = await home.newcomer()
  const one = await next(t, me.refresh_token)
  const claim = unsealRefreshToken(home.deps.authKeys, one.refresh_token)
  if (claim === null) throw new Error('not our token')
  const ahead = sealRefreshToken(home.deps.authKeys, { ...claim, counter: claim.counter + 3 })
  const healed = await next(t, ahead)
  t.equal((await verify(healed.access_token)).status, 204)
  t.equal((await next(t, ahead)).refresh_token, healed.refresh_token)
  t.equal(
    (await next(t, one.refresh_token)).refresh_token,
    healed.refresh_token,
    'a tab with an older one is in the grace',
  )
  home.clock.advance(10 * SECOND)
  await next(t, healed.refresh_token)
  isOver(t, await refresh(one.refresh_token), 'token_reused')
})

t.test('a token with a bad MAC or of an unknown session changes nothing and ends nothing', async (t) => {
  const me = await home.newcomer()
  const spent = me.refresh_token
  const one = await next(t, spent)
  await next(t, one.refresh_token)
  home.clock.advance(MINUTE)
  const record = await home.deps.store.get(keys.session(me.user.id, me.session_id))

  const bytes = Buffer.from(spent, 'base64url')
  for (let place = 0; place < bytes.length; place += 1) {
    const forged = Buffer.from(bytes)
    forged.writeUInt8(forged.readUInt8(place) ^ 1, place)
    const answer = await refresh(forged.toString('base64url'))
    t.match(answer, { status: 401, body: { code: 'token_invalid' } }, `byte ${place}`)
  }
  for (const text of [
    '',
    'x',
    `${spent}=`,
    ` ${spent}`,
    `${spent}\n`,
    spent.slice(1),
    `${spent}A`,
    spent.replace(/.$/, '-'),
    '💥'.repeat(40),
  ]) {
    if (text !== spent)
      t.match(await refresh(text), { status: 401, body: { code: 'token_invalid' } }, JSON.stringify(text))
  }
  const claim = unsealRefreshToken(home.deps.authKeys, spent)
  if (claim === null) throw new Error('not our token')
  const nobodys = Buffer.alloc(16, 7).toString('base64url')
  for (const other of [{ sessionId: nobodys }, { userId: nobodys }, { secret: nobodys }]) {
    const forged = sealRefreshToken(home.deps.authKeys, { ...claim, ...other })
    isOver(t, await refresh(forged), 'unknown')
    t.equal((await logout({ refresh_token: forged })).status, 204)
  }
  t.strictSame(await home.deps.store.get(keys.session(me.user.id, me.session_id)), record)
})

t.test('a token sealed by another AUTH_SECRET is none of ours; one of a listed older secret is', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const [older, newer] = ['kP2u0vQm7sX9yZr4tB8nWc1dEf5hJ6lA3gOiUeTzRqM', 'Yw5mT1rZc8KpQ3xV7nB0jL6hF2sD9gA4eUoIiPtRyWk']
  const open = async (AUTH_SECRET: string) => {
    const opened = await openHome({ REDIS_URL: redis.url, AUTH_SECRET })
    t.teardown(opened.close)
    return opened
  }
  const before = await open(older)
  const me = await before.newcomer()
  const after = await open(`${newer},${older}`)
  const moved = await next(t, me.refresh_token, after)
  t.equal((await verify(me.access_token, after)).status, 204)
  t.match(await refresh(moved.refresh_token, before), { status: 401, body: { code: 'token_invalid' } })
  t.equal((await next(t, me.refresh_token, after)).refresh_token, moved.refresh_token, 'a lost answer, still')
})

t.test('50 parallel refreshes over two instances all get one and the same successor', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const homes = await twoHomes(t, redis)
  const me = await homes[0].newcomer()
  let { refresh_token } = me
  for (let round = 0; round < 3; round += 1) {
    const sent = refresh_token
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => refresh(sent, homes[i % 2])))
    t.strictSame(new Set(answers.map(({ status }) => status)), new Set([200]))
    const successors = new Set<string>(answers.map(({ body }) => body.refresh_token))
    t.equal(successors.size, 1)
    for (const { body } of answers.slice(0, 4)) t.equal((await verify(body.access_token, homes[1])).status, 204)
    refresh_token = [...successors][0] as string
    t.equal(unsealRefreshToken(homes[0].deps.authKeys, refresh_token)?.counter, round + 1, 'one step')
    for (const each of homes) each.clock.advance(MINUTE)
  }
})

async function twoHomes(t: Test, redis: RedisProcess): Promise<[Home, Home]> {
  const homes: [Home, Home] = [await openHome({ REDIS_URL: redis.url }), await openHome({ REDIS_URL: redis.url })]
  for (const each of homes) t.teardown(each.close)
  homes[1].clock.now = homes[0].clock.now
  return homes
}

t.test('logout beats grace: a token re-sent inside the window after a logout is refused', async (t) => {
  const me = await home.newcomer()
  const one = await next(t, me.refresh_token)
  t.equal((await logout({ refresh_token: one.refresh_token })).status, 204)
  for (const { refresh_token, access_token } of [me, one]) {
    isOver(t, await refresh(refresh_token), 'logged_out')
    t.match(await verify(access_token), { status: 401, body: { code: 'token_revoked' } })
  }
})

t.test('a logout that races refreshes of the same token ends the session', async (t) => {
  const racer = await home.newcomer()
  for (let i = 0; i < 10; i += 1) {
    const me = (await login(racer.email)).body
    const sent = [me.refresh_token, me.refresh_token, me.refresh_token]
    const racing = sent.map((token) => refresh(token))
    const out = logout({ refresh_token: me.refresh_token })
    racing.push(...sent.map((token) => refresh(token)))
    t.equal((await out).status, 204)
    const answers = await Promise.all(racing)
    for (const { status, body } of answers.filter(({ status }) => status === 200)) {
      t.equal(status, 200)
      t.equal((await verify(body.access_token)).status, 401)
      isOver(t, await refresh(body.refresh_token), 'logged_out')
    }
    isOver(t, await refresh(me.refresh_token), 'logged_out')
  }
})

t.test('a refresh on another device that races a password change leaves nothing alive', async (t) => {
  const me = await home.newcomer()
  let [token, current] = [me.access_token, PASSWORD]
  for (let i = 0; i < 8; i += 1) {
    const phone = (await home.call('POST', '/v1/login', { body: { email: me.email, password: current } })).body
    const wish = `another fine password ${i}`
    const phones = [phone]
    const body = { current_password: current, new_password: wish }
    const changed = await during(home.call('POST', '/v1/password', { token, body }), async () => {
      const answer = await refresh(phones.at(-1).refresh_token)
      if (answer.status === 200) phones.push(answer.body)
      else isOver(t, answer, 'password_changed')
    })
    t.equal(changed.status, 200)
    t.ok(phones.length > 1, 'there was a race')
    t.equal((await verify(phones.at(-1).access_token)).status, 401)
    isOver(t, await refresh(phones.at(-1).refresh_token), 'password_changed')
    ;[token, current] = [changed.body.access_token, wish]
    t.equal((await verify(token)).status, 204)
  }
})

// ---- The ends of sessions

t.test('every ended session says why, to whichever of its tokens is shown', async (t) => {
  const few = await openHome({ SESSION_MAX: '2', SESSION_IDLE: '10m', SESSION_ABSOLUTE: '15m' })
  t.teardown(few.close)
  const tell = async (me: Newcomer, reason: string) => isOver(t, await refresh(me.refresh_token, few), reason)
  const call = (method: string, path: string, token: string, body?: object) => few.call(method, path, { token, body })
  const newcomers = async (count: number) => Promise.all(Array.from({ length: count }, () => few.newcomer()))
  const [out, revoked, changed, deleted, evicted, reused, idle] = (await newcomers(7)) as [Newcomer, ...any[]]

  await logout({ refresh_token: out.refresh_token }, few)
  await tell(out, 'logged_out')

  const other = (await login(revoked.email, {}, few)).body
  t.equal((await call('DELETE', `/v1/sessions/${revoked.session_id}`, other.access_token)).status, 204)
  await tell(revoked, 'revoked')

  const second = (await login(changed.email, {}, few)).body
  const passwords = { current_password: PASSWORD, new_password: 'quite another password' }
  t.equal((await call('POST', '/v1/password', second.access_token, passwords)).status, 200)
  await tell(changed, 'password_changed')

  t.equal((await call('DELETE', '/v1/me', deleted.access_token, { password: PASSWORD })).status, 204)
  await tell(deleted, 'account_deleted')

  for (let i = 0; i < 2; i += 1) await login(evicted.email, {}, few)
  await tell(evicted, 'evicted')

  await next(t, (await next(t, reused.refresh_token, few)).refresh_token, few)
  few.clock.advance(10 * SECOND)
  await tell(reused, 'token_reused')
  await tell(reused, 'token_reused')

  few.clock.advance(10 * MINUTE - 10 * SECOND - 1)
  const kept = await next(t, idle.refresh_token, few)
  few.clock.advance(5 * MINUTE + 1)
  await tell(kept, 'absolute_timeout')

  const late = await few.newcomer()
  few.clock.advance(10 * MINUTE)
  await tell(late, 'idle_timeout')
  few.clock.advance(DAY)
  await tell(evicted, 'unknown')
  await tell(late, 'idle_timeout')
  await tell(out, 'logged_out')
  few.clock.advance(2 * DAY)
  await tell(late, 'unknown')
  await tell(out, 'unknown')
})

t.test(
  'the reason of an end stays the first one: a later logout, change or deletion does not rewrite it',
  async (t) => {
    const me = await home.newcomer()
    const phone = (await login(me.email)).body
    await logout({ refresh_token: phone.refresh_token })
    await logout({ refresh_token: phone.refresh_token })
    t.equal((await home.call('DELETE', '/v1/me', { token: me.access_token, body: { password: PASSWORD } })).status, 204)
    isOver(t, await refresh(phone.refresh_token), 'logged_out')
    await logout({ refresh_token: me.refresh_token })
    isOver(t, await refresh(me.refresh_token), 'account_deleted')
  },
)

t.test('an idle session ends after 30 minutes, quietly, and its access token lives out its minutes', async (t) => {
  const me = await home.newcomer()
  home.clock.advance(30 * MINUTE - 1)
  const used = await next(t, me.refresh_token)
  t.match(used, { refresh_expires_in: 1800 })
  home.clock.advance(30 * MINUTE)
  isOver(t, await refresh(used.refresh_token), 'idle_timeout')
  t.equal(home.events('session.reused').filter((event) => event['session_id'] === me.session_id).length, 0)

  const quick = await openHome({ SESSION_IDLE: '1m', ACCESS_TTL: '59s', SESSION_ABSOLUTE: '1h' })
  t.teardown(quick.close)
  const short = await quick.newcomer()
  quick.clock.advance(MINUTE)
  isOver(t, await refresh(short.refresh_token, quick), 'idle_timeout')
  t.equal((await verify(short.access_token, quick)).status, 204, 'a timeout denies no access token')
})

t.test('no refresh extends the absolute timeout of 24 hours', async (t) => {
  const me = await home.newcomer()
  const endsAt = home.clock.now + DAY
  let token = me.refresh_token
  for (let i = 0; i < 49; i += 1) {
    home.clock.advance(29 * MINUTE)
    const { refresh_expires_in, refresh_token } = (await next(t, token)) as any
    t.equal(refresh_expires_in, Math.min(1800, (endsAt - home.clock.now) / 1000))
    token = refresh_token
  }
  home.clock.now = endsAt - 1
  token = (await next(t, token)).refresh_token
  home.clock.now = endsAt
  isOver(t, await refresh(token), 'absolute_timeout')
})

t.test('remember me: 14 days idle, 90 days in all, and refresh_expires_in is capped by the end', async (t) => {
  const home = await openHome() // of its own: keys rotate by a timer that a turned clock does not turn
  t.teardown(home.close)
  const me = await home.newcomer({ remember: true })
  const endsAt = home.clock.now + 90 * DAY
  t.match(me, { refresh_expires_in: 14 * 86_400 })
  let token = me.refresh_token
  for (let i = 1; i <= 6; i += 1) {
    home.clock.advance(14 * DAY - 1)
    const { refresh_expires_in, refresh_token } = (await next(t, token, home)) as any
    t.equal(refresh_expires_in, Math.ceil(Math.min(14 * DAY, endsAt - home.clock.now) / 1000))
    token = refresh_token
  }
  home.clock.now = endsAt
  isOver(t, await refresh(token, home), 'absolute_timeout')

  const lazy = (await login(me.email, { remember: true }, home)).body
  home.clock.advance(14 * DAY)
  isOver(t, await refresh(lazy.refresh_token, home), 'idle_timeout')
  t.match((await login(me.email, {}, home)).body, { refresh_expires_in: 1800 }, 'not remembered unless asked')
})

t.test('a password change and a refresh do not make a session remembered, or forgotten', async (t) => {
  const me = await home.newcomer({ remember: true })
  const body = { current_password: PASSWORD, new_password: 'quite another password' }
  const changed = await home.call('POST', '/v1/password', { token: me.access_token, body })
  t.equal(changed.body.refresh_expires_in, 14 * 86_400)
  home.clock.advance(DAY)
  t.match(await next(t, changed.body.refresh_token), { refresh_expires_in: 14 * 86_400 })
})

t.test('after a restart nobody is logged out and nothing dead is alive again', async (t) => {
  const DATA_DIR = await mkdtemp(join(tmpdir(), 'latchkey-restart-'))
  t.teardown(() => rm(DATA_DIR, { recursive: true }))
  const first = await openHome({ DATA_DIR })
  const me = await first.newcomer()
  const phone = (await login(me.email, {}, first)).body
  const lost = await next(t, me.refresh_token, first)
  const out = (await login(me.email, {}, first)).body
  await logout({ refresh_token: out.refresh_token }, first)
  const spent = await first.newcomer()
  await next(t, (await next(t, spent.refresh_token, first)).refresh_token, first)
  const changed = await first.newcomer()
  const body = { current_password: PASSWORD, new_password: 'quite another password' }
  const kept = (await first.call('POST', '/v1/password', { token: changed.access_token, body })).body
  const { now } = first.clock
  await first.close()

  const second = await openHome({ DATA_DIR })
  t.teardown(second.close)
  second.clock.now = now
  for (const { access_token } of [me, lost, phone, kept]) t.equal((await verify(access_token, second)).status, 204)
  t.equal((await next(t, me.refresh_token, second)).refresh_token, lost.refresh_token, 'the lost answer is still known')
  await next(t, phone.refresh_token, second)
  await next(t, kept.refresh_token, second)
  for (const { access_token } of [out, changed]) {
    t.match(await verify(access_token, second), { status: 401, body: { code: 'token_revoked' } })
  }
  isOver(t, await refresh(out.refresh_token, second), 'logged_out')
  second.clock.advance(10 * SECOND)
  isOver(t, await refresh(spent.refresh_token, second), 'token_reused')
})

// ---- The list of sessions

t.test('the list shows the live sessions, oldest first, with their devices', async (t) => {
  const me = await home.newcomer()
  const began = home.clock.now
  home.clock.advance(SECOND)
  const phone = await home.call('POST', '/v1/login', {
    body: { email: me.email, password: PASSWORD, remember: true },
    headers: { 'user-agent': `Phone ${'x'.repeat(300)}` },
    ip: '203.0.113.7',
  })
  const gone = (await login(me.email)).body
  await logout({ refresh_token: gone.refresh_token })
  home.clock.advance(MINUTE)
  const headers = { 'user-agent': 'Laptop' }
  const body = { refresh_token: me.refresh_token }
  const laptop = await home.call('POST', '/v1/refresh', { body, headers, ip: '2001:db8::7' })

  const found = await list(laptop.body.access_token)
  const time = (ms: number) => new Date(began + ms).toISOString()
  t.strictSame(found, [
    {
      id: me.session_id,
      current: true,
      created_at: time(0),
      last_used_at: time(61 * SECOND),
      expires_at: time(61 * SECOND + 30 * MINUTE),
      user_agent: 'Laptop',
      ip: '2001:db8::7',
      remember: false,
    },
    {
      id: phone.body.session_id,
      current: false,
      created_at: time(SECOND),
      last_used_at: time(SECOND),
      expires_at: time(SECOND + 14 * DAY),
      user_agent: `Phone ${'x'.repeat(300)}`.slice(0, 256),
      ip: '203.0.113.7',
      remember: true,
    },
  ])
  home.clock.advance(31 * MINUTE)
  const late = (await login(me.email)).body
  t.strictSame(
    (await list(late.access_token)).map(({ id }: { id: string }) => id),
    [phone.body.session_id, late.session_id],
  )
})

t.test('a user ends one of their own sessions, and it is over at once', async (t) => {
  const me = await home.newcomer()
  const phone = (await login(me.email)).body
  const end = (id: string, token = me.access_token) => home.call('DELETE', `/v1/sessions/${id}`, { token })
  t.equal((await end(phone.session_id)).status, 204)
  t.match(await verify(phone.access_token), { status: 401, body: { code: 'token_revoked' } })
  isOver(t, await refresh(phone.refresh_token), 'revoked')
  t.match(await end(phone.session_id), { status: 404, body: { code: 'not_found' } }, 'an ended one is not found')
  t.equal((await verify(me.access_token)).status, 204)
  t.equal((await end(me.session_id)).status, 204, 'the own one, too')
  t.match(await end(me.session_id), { status: 401, body: { code: 'token_revoked' } })
})

t.test("another user's session, an unknown and a timed-out one are not found", async (t) => {
  const me = await home.newcomer()
  const neighbour = await home.newcomer()
  const end = (id: string, token = me.access_token) => home.call('DELETE', `/v1/sessions/${id}`, { token })
  for (const id of [neighbour.session_id, 'AAAAAAAAAAAAAAAAAAAAAA', 'x', me.user.id, `${me.session_id}A`]) {
    t.match(await end(id), { status: 404, body: { code: 'not_found' } }, id)
  }
  t.equal((await verify(neighbour.access_token)).status, 204)
  await next(t, neighbour.refresh_token)

  const phone = (await login(me.email)).body
  home.clock.advance(20 * MINUTE)
  const kept = await next(t, me.refresh_token)
  home.clock.advance(10 * MINUTE)
  const { access_token } = await next(t, kept.refresh_token)
  t.equal((await end(phone.session_id, access_token)).status, 404)
  t.match(await refresh(phone.refresh_token), { status: 401, body: { code: 'session_over' } })
})

t.test('one login too many evicts the oldest session, and only that one', async (t) => {
  const few = await openHome({ SESSION_MAX: '3' })
  t.teardown(few.close)
  const me = await few.newcomer()
  const logins: Newcomer[] = [me]
  for (let i = 0; i < 4; i += 1) {
    few.clock.advance(SECOND)
    logins.push((await login(me.email, {}, few)).body)
  }
  const [first, second, ...kept] = logins as [Newcomer, Newcomer, ...Newcomer[]]
  for (const old of [first, second]) {
    t.match(await verify(old.access_token, few), { status: 401, body: { code: 'token_revoked' } })
    isOver(t, await refresh(old.refresh_token, few), 'evicted')
  }
  for (const each of kept) t.equal((await verify(each.access_token, few)).status, 204)
  const ids = async () => (await list(kept[2]?.access_token ?? '', few)).map(({ id }: { id: string }) => id)
  t.strictSame(
    await ids(),
    kept.map(({ session_id }) => session_id),
  )

  await logout({ refresh_token: kept[0]?.refresh_token }, few)
  await login(me.email, {}, few)
  t.equal((await verify(kept[1]?.access_token ?? '', few)).status, 204, 'a session that is over takes no room')
})

t.test('100 logins, 50 at once, keep the limit of 50, and every session is either live or evicted', async (t) => {
  const me = await home.newcomer()
  const wave = () => Promise.all(Array.from({ length: 50 }, () => login(me.email)))
  const answers = [...(await wave()), ...(await wave())]
  t.strictSame(
    answers.filter(({ status, body }) => status !== 200 && body.code !== 'busy'),
    [],
  )
  const opened = answers.filter(({ status }) => status === 200).map(({ body }) => body as Newcomer)
  t.ok(opened.length > 50, `${opened.length} logins got through the gate`)
  const verdicts = await Promise.all(opened.map(({ access_token }) => verify(access_token)))
  const alive = opened.filter((_, i) => verdicts[i]?.status === 204)
  t.equal(alive.length, 50)
  const listed = (await list(alive[0]?.access_token ?? '')).map(({ id }: { id: string }) => id)
  t.strictSame(listed.toSorted(), alive.map(({ session_id }) => session_id).toSorted())
  const dead = opened.find((_, i) => verdicts[i]?.status === 401)
  isOver(t, await refresh(dead?.refresh_token ?? ''), 'evicted')
  isOver(t, await refresh(me.refresh_token), 'evicted')
})

// ---- Logout in all its forms

t.test('logout takes a refresh token, its cookie, or an access token, and all tokens are dead at once', async (t) => {
  const me = await home.newcomer()
  const inBody = me
  const inCookie = await login(me.email, { transport: 'cookie' })
  const byAccess = (await login(me.email)).body
  const [cookie, phone] = [cookieOf(inCookie), (await login(me.email)).body]

  t.strictSame(await logout({ refresh_token: inBody.refresh_token }).then(({ status, body }) => [status, body]), [
    204,
    '',
  ])
  const cleared = await home.call('POST', '/v1/logout', withCookie(cookie))
  t.equal(cleared.status, 204)
  t.match(cleared.headers['set-cookie'], /^__Host-refresh_token=;/)
  t.equal((await home.call('POST', '/v1/logout', { token: byAccess.access_token })).status, 204)

  for (const { access_token } of [inBody, inCookie.body, byAccess]) {
    t.match(await verify(access_token), { status: 401, body: { code: 'token_revoked' } })
  }
  for (const { refresh_token } of [inBody, byAccess]) isOver(t, await refresh(refresh_token), 'logged_out')
  isOver(t, await home.call('POST', '/v1/refresh', withCookie(cookie)), 'logged_out')
  t.equal((await verify(phone.access_token)).status, 204, 'the other sessions go on')
})

t.test('logout by a token in the body wins over the access token, and that over the cookie', async (t) => {
  const me = await home.newcomer()
  const browser = await login(me.email, { transport: 'cookie' })
  const phone = (await login(me.email)).body
  const body = { refresh_token: phone.refresh_token }
  const shown = { ...withCookie(cookieOf(browser)), token: me.access_token }
  const alive = () =>
    Promise.all([phone, browser.body, me].map(async (each) => (await verify(each.access_token)).status))
  t.equal((await home.call('POST', '/v1/logout', { body, ...shown })).status, 204)
  t.strictSame(await alive(), [401, 204, 204])
  const byAccess = await home.call('POST', '/v1/logout', shown)
  t.equal(byAccess.status, 204)
  t.notOk(byAccess.headers['set-cookie'], 'the session of the cookie lives')
  t.strictSame(await alive(), [401, 204, 401])
})

t.test('an access token that has expired still logs its session out', async (t) => {
  const me = await home.newcomer()
  home.clock.advance(6 * MINUTE)
  t.match(await verify(me.access_token), { status: 401, body: { code: 'token_expired' } })
  t.equal((await home.call('POST', '/v1/logout', { token: me.access_token })).status, 204)
  isOver(t, await refresh(me.refresh_token), 'logged_out')
})

t.test('a spent refresh token still logs its session out, however old it is', async (t) => {
  const me = await home.newcomer()
  const one = await next(t, me.refresh_token)
  const two = await next(t, one.refresh_token)
  home.clock.advance(MINUTE)
  t.equal((await logout({ refresh_token: me.refresh_token })).status, 204)
  t.equal((await verify(two.access_token)).status, 401)
  isOver(t, await refresh(two.refresh_token), 'logged_out')
})

t.test('logout is idempotent: a token that is spent or ended answers 204', async (t) => {
  const me = await home.newcomer()
  for (let i = 0; i < 3; i += 1) t.equal((await logout({ refresh_token: me.refresh_token })).status, 204)
  for (let i = 0; i < 2; i += 1)
    t.equal((await home.call('POST', '/v1/logout', { token: me.access_token })).status, 204)
})

t.test('a logout by what is not ours is refused: nothing was ended, and nobody should think so', async (t) => {
  const me = await home.newcomer()
  const isRefused = (answer: Answer, what: string) =>
    t.match(answer, { status: 401, body: { code: 'token_invalid' } }, what)
  for (const refresh_token of ['', 'garbage', me.access_token, 'A'.repeat(120)]) {
    isRefused(await logout({ refresh_token }), refresh_token)
  }
  for (const token of ['garbage', 'a.b.c', me.refresh_token, `${me.access_token.slice(0, -4)}AAAA`]) {
    isRefused(await home.call('POST', '/v1/logout', { token }), token)
  }
  const cleared = await home.call('POST', '/v1/logout', withCookie('garbage'))
  isRefused(cleared, 'the cookie')
  t.match(cleared.headers['set-cookie'], /^__Host-refresh_token=;/, 'a cookie that is not ours is cleared')
  t.equal((await verify(me.access_token)).status, 204)
})

t.test('logout with nothing presented is 401 no_token', async (t) => {
  for (const options of [{}, { body: {} }, { body: { scope: 'all' } }, { headers: { authorization: 'Basic YTpi' } }]) {
    const answer = await home.call('POST', '/v1/logout', options)
    t.match(answer, {
      status: 401,
      headers: { 'www-authenticate': /^Bearer realm="latchkey"$/ },
      body: { code: 'no_token' },
    })
    t.notOk(answer.headers['set-cookie'])
  }
})

t.test('logout of the others keeps the caller and ends the rest', async (t) => {
  const me = await home.newcomer()
  const browser = await login(me.email, { transport: 'cookie' })
  const phone = (await login(me.email)).body
  const neighbour = await home.newcomer()
  const answer = await home.call('POST', '/v1/logout', { token: me.access_token, body: { scope: 'others' } })
  t.equal(answer.status, 204)
  for (const { access_token } of [browser.body, phone]) {
    t.match(await verify(access_token), { status: 401, body: { code: 'token_revoked' } })
  }
  isOver(t, await refresh(phone.refresh_token), 'logged_out')
  t.equal((await verify(me.access_token)).status, 204, 'the own access token stays good')
  t.equal((await verify(neighbour.access_token)).status, 204)
  const one = await next(t, me.refresh_token)

  const tablet = (await login(me.email)).body
  t.equal((await logout({ refresh_token: one.refresh_token, scope: 'others' })).status, 204, 'a refresh token will do')
  t.equal((await verify(tablet.access_token)).status, 401)
  const two = await next(t, one.refresh_token)
  const back = await login(me.email, { transport: 'cookie' })
  const scope = { body: { scope: 'others' } }
  const kept = await home.call('POST', '/v1/logout', { ...withCookie(cookieOf(back)), ...scope })
  t.equal(kept.status, 204)
  t.notOk(kept.headers['set-cookie'], 'the session of the cookie goes on')
  t.equal((await home.call('POST', '/v1/refresh', withCookie(cookieOf(back)))).status, 200)
  isOver(t, await refresh(two.refresh_token), 'logged_out')
})

t.test('logout everywhere ends all sessions, and a login right after it works', async (t) => {
  for (const by of ['access', 'body', 'cookie']) {
    const me = await home.newcomer()
    const browser = await login(me.email, { transport: 'cookie' })
    const phone = (await login(me.email)).body
    const scope = { scope: 'all' }
    const answer = await home.call('POST', '/v1/logout', {
      ...(by === 'cookie' ? withCookie(cookieOf(browser)) : {}),
      ...(by === 'access' ? { token: me.access_token } : {}),
      body: by === 'body' ? { ...scope, refresh_token: phone.refresh_token } : scope,
    })
    t.equal(answer.status, 204, by)
    t.equal(Boolean(answer.headers['set-cookie']), by === 'cookie')
    for (const { access_token } of [me, browser.body, phone]) {
      t.match(await verify(access_token), { status: 401, body: { code: 'token_revoked' } })
    }
    for (const { refresh_token } of [me, phone]) isOver(t, await refresh(refresh_token), 'logged_out')
    isOver(t, await home.call('POST', '/v1/refresh', withCookie(cookieOf(browser))), 'logged_out')
    const back = (await login(me.email)).body
    t.equal((await verify(back.access_token)).status, 204)
    t.equal((await list(back.access_token)).length, 1)
  }
})

t.test('to end other sessions takes a token that is live', async (t) => {
  for (const scope of ['others', 'all']) {
    const me = await home.newcomer()
    const phone = (await login(me.email)).body
    const byAccess = (token: string) => home.call('POST', '/v1/logout', { token, body: { scope } })
    const one = await next(t, me.refresh_token)
    const two = await next(t, one.refresh_token)
    home.clock.advance(6 * MINUTE)
    t.match(await byAccess(two.access_token), { status: 401, body: { code: 'token_expired' } }, scope)
    t.match(await logout({ scope, refresh_token: 'garbage' }), { status: 401, body: { code: 'token_invalid' } })
    t.match(await byAccess('garbage'), { status: 401, body: { code: 'token_invalid' } })
    t.match(await logout({ scope, refresh_token: phone.access_token }), {
      status: 401,
      body: { code: 'token_invalid' },
    })
    t.match(await logout({ scope, refresh_token: me.refresh_token }), { status: 401, body: { code: 'session_over' } })
    const alive = await next(t, phone.refresh_token)
    const revoked = (await login(me.email)).body
    await logout({ refresh_token: revoked.refresh_token })
    t.match(await byAccess(revoked.access_token), { status: 401, body: { code: 'token_revoked' } })
    isOver(t, await logout({ scope, refresh_token: revoked.refresh_token }), 'logged_out')
    t.equal((await verify(alive.access_token)).status, 204, 'none of it has ended anything')
    await next(t, alive.refresh_token)
  }
})

t.test('a login that races a logout of the others is whole: live and listed, or dead', async (t) => {
  const me = await home.newcomer()
  for (let i = 0; i < 4; i += 1) {
    const others = { token: me.access_token, body: { scope: 'others' } }
    const answers = await during(Promise.all([login(me.email), login(me.email)]), async () => {
      t.equal((await home.call('POST', '/v1/logout', others)).status, 204)
    })
    const listed = new Set((await list(me.access_token)).map(({ id }: { id: string }) => id))
    for (const { body } of answers) {
      const isAlive = (await verify(body.access_token)).status === 204
      t.equal(listed.has(body.session_id), isAlive)
      t.equal((await refresh(body.refresh_token)).status, isAlive ? 200 : 401)
    }
  }
})

// ---- Transport binding

t.test('a token of the cookie is refused in the body and the reverse, and changes nothing', async (t) => {
  const me = await home.newcomer()
  const browser = await login(me.email, { transport: 'cookie' })
  t.notOk('refresh_token' in browser.body)
  const cookie = cookieOf(browser)
  t.match(await refresh(cookie), { status: 401, body: { code: 'token_invalid' } })
  t.match(await home.call('POST', '/v1/refresh', withCookie(me.refresh_token)), {
    status: 401,
    body: { code: 'token_invalid' },
  })
  t.match(await logout({ refresh_token: cookie }), { status: 401, body: { code: 'token_invalid' } })
  const crossed = await home.call('POST', '/v1/logout', withCookie(me.refresh_token))
  t.match(crossed, { status: 401, body: { code: 'token_invalid' } })
  t.equal((await verify(me.access_token)).status, 204)
  t.equal((await verify(browser.body.access_token)).status, 204)
  await next(t, me.refresh_token)
  const refreshed = await home.call('POST', '/v1/refresh', withCookie(cookie))
  t.equal(refreshed.status, 200)
  t.notOk('refresh_token' in refreshed.body)
  t.ok(cookieOf(refreshed))
  t.not(cookieOf(refreshed), cookie)
})

t.test('in cookie mode a lost answer, replays and a password change set the cookie again', async (t) => {
  const me = await home.newcomer()
  const browser = await login(me.email, { transport: 'cookie' })
  const lost = await home.call('POST', '/v1/refresh', withCookie(cookieOf(browser)))
  home.clock.advance(25 * MINUTE)
  const found = await home.call('POST', '/v1/refresh', withCookie(cookieOf(browser)))
  t.equal(cookieOf(found), cookieOf(lost))
  const body = { current_password: PASSWORD, new_password: 'quite another password' }
  const changed = await home.call('POST', '/v1/password', { token: found.body.access_token, body })
  t.equal(changed.status, 200)
  t.notOk('refresh_token' in changed.body)
  t.equal((await home.call('POST', '/v1/refresh', withCookie(cookieOf(changed)))).status, 200)
})

// ---- Documents: session data and preferences

const DATA = '/v1/session/data'
const PREFERENCES = '/v1/me/preferences'
const read = (path: string, token: string, at = home) => at.call('GET', path, { token })
const patch = (path: string, token: string, body: unknown, headers: Record<string, string> = {}, at = home) =>
  at.call('PATCH', path, { token, body, headers })

t.test('a document is {} at first and changed by merge patches (RFC 7396)', async (t) => {
  const me = await home.newcomer()
  for (const path of [DATA, PREFERENCES]) {
    const empty = await read(path, me.access_token)
    t.match(empty, { status: 200, headers: { etag: /^"[\w-]+"$/, 'content-type': /^application\/json/ } })
    t.strictSame(empty.body, {})
    const steps: [object, object][] = [
      [
        { cart: { a: 1, b: [1, 2] }, theme: 'dark' },
        { cart: { a: 1, b: [1, 2] }, theme: 'dark' },
      ],
      [{ cart: { a: null, b: [3], c: { d: { e: 1 } } } }, { cart: { b: [3], c: { d: { e: 1 } } }, theme: 'dark' }],
      [
        { theme: null, unknown: null, list: [null, { x: null }] },
        { cart: { b: [3], c: { d: { e: 1 } } }, list: [null, { x: null }] },
      ],
      [
        { cart: 'gone', list: { is: 'object now', but: null } },
        { cart: 'gone', list: { is: 'object now' } },
      ],
      [{}, { cart: 'gone', list: { is: 'object now' } }],
      [{ cart: null, list: null }, {}],
      [
        { '': 0, ' ': -1.5, '\u2028': true, '💥': 'é', 'a.b/c~d': 1e300 },
        { '': 0, ' ': -1.5, '\u2028': true, '💥': 'é', 'a.b/c~d': 1e300 },
      ],
    ]
    for (const [change, wanted] of steps) {
      const changed = await patch(path, me.access_token, change)
      t.equal(changed.status, 200)
      t.strictSame(changed.body, wanted)
      const found = await read(path, me.access_token)
      t.strictSame(found.body, wanted)
      t.equal(found.headers['etag'], changed.headers['etag'])
    }
  }
})

t.test('what is written is what is read: no text or number is changed on the way through the store', async (t) => {
  const me = await home.newcomer()
  const values = [
    '\u0000',
    '\ufeff',
    '\uffff',
    'e\u0301',
    '\ud83d\ude00',
    0.1,
    1e21,
    -1e-7,
    2 ** 53 - 1,
    2 ** 40,
    [[[]]],
    [{}],
    false,
    '2026-01-31T12:00:00.000Z',
  ]
  const changed = await patch(DATA, me.access_token, { values })
  t.strictSame(changed.body, { values })
  t.strictSame((await read(DATA, me.access_token)).body, { values })
  const lone = await patch(DATA, me.access_token, '{"lone":"\\ud800"}')
  if (lone.status === 200) {
    const found = await read(DATA, me.access_token)
    t.strictSame(found.body, lone.body, 'a lone surrogate is refused, or kept')
    t.equal(found.headers['etag'], lone.headers['etag'])
  } else t.equal(lone.status, 400)
})

t.test('no name of a member upsets the store, and a patch that fails loses nothing', async (t) => {
  const me = await home.newcomer()
  await patch(DATA, me.access_token, { cart: ['book'] })
  const names = ['constructor', 'toJSON', 'prototype', 'valueOf', 'hasOwnProperty', 'then', '0', 'length']
  const odd = Object.fromEntries(names.map((name, i) => [name, i]))
  const answer = await patch(DATA, me.access_token, odd)
  t.equal(answer.status, 200)
  t.strictSame((await read(DATA, me.access_token)).body, { cart: ['book'], ...odd })
})

t.test('a patch that is no object is 400, one of another type 415', async (t) => {
  const me = await home.newcomer()
  const before = await patch(DATA, me.access_token, { kept: true })
  for (const body of [
    '[]',
    'null',
    '1',
    '"x"',
    'true',
    '',
    '{',
    '{"a":1,"a":2}',
    '{"a":1e999}',
    '{"__proto__":{"x":1}}',
    '{"a":{"__proto__":1}}',
  ]) {
    t.match(await patch(DATA, me.access_token, body), { status: 400, body: { code: 'bad_request' } }, body)
  }
  const types = { 'application/merge-patch+json': 200, 'application/json': 200, 'application/json; charset=utf-8': 200 }
  for (const [type, status] of Object.entries(types)) {
    t.equal((await patch(DATA, me.access_token, {}, { 'content-type': type })).status, status)
  }
  for (const type of ['application/json-patch+json', 'text/plain', 'text/json']) {
    t.equal((await patch(DATA, me.access_token, {}, { 'content-type': type })).status, 415)
  }
  t.equal((await read(DATA, me.access_token)).headers['etag'], before.headers['etag'])
})

t.test('If-Match: a lost race is 412 and changes nothing, a won one goes through', async (t) => {
  const me = await home.newcomer()
  const [first, second] = [await read(DATA, me.access_token), await patch(DATA, me.access_token, { cart: 1 })]
  const tags = { old: first.headers['etag'] as string, current: second.headers['etag'] as string }
  t.not(tags.old, tags.current)
  for (const wanted of [tags.old, '"nonsense"', `W/${tags.old}`, tags.current.slice(1, -1), '']) {
    const answer = await patch(DATA, me.access_token, { cart: 2 }, { 'if-match': wanted })
    t.match(answer, { status: 412, body: { code: 'precondition_failed' } }, wanted)
  }
  t.strictSame((await read(DATA, me.access_token)).body, { cart: 1 })
  const third = await patch(DATA, me.access_token, { cart: 3 }, { 'if-match': `"x", ${tags.current}` })
  t.strictSame([third.status, third.body], [200, { cart: 3 }])
  t.equal((await patch(DATA, me.access_token, { cart: 4 }, { 'if-match': '*' })).status, 200)
  const racing = await Promise.all(
    Array.from({ length: 20 }, async (_, i) =>
      patch(
        DATA,
        me.access_token,
        { cart: `racer ${i}` },
        { 'if-match': (await read(DATA, me.access_token)).headers['etag'] },
      ),
    ),
  )
  t.equal(racing.filter(({ status }) => status === 200).length, 1, 'of those who read the same, one wins')
  t.equal(racing.filter(({ status }) => status === 412).length, 19)
})

t.test('100 concurrent patches are merged one after the other, none lost', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const homes = await twoHomes(t, redis)
  const me = await homes[0].newcomer()
  for (const path of [DATA, PREFERENCES]) {
    const names = Array.from({ length: 100 }, (_, i) => `item-${i}`)
    const answers = await Promise.all(
      names.map((name, i) => patch(path, me.access_token, { [name]: i }, {}, homes[i % 2])),
    )
    t.strictSame(
      answers.filter(({ status }) => status !== 200),
      [],
    )
    const { body } = await read(path, me.access_token, homes[0])
    t.strictSame(Object.keys(body).toSorted(), names.toSorted())
    for (const [i, { body }] of answers.entries()) t.equal(body[`item-${i}`], i)
  }
})

t.test('a result over 16 KiB is 413 and changes nothing; one of 16 KiB is kept', async (t) => {
  const me = await home.newcomer()
  const room = 16 * 1024 - JSON.stringify({ a: '' }).length
  for (const path of [DATA, PREFERENCES]) {
    const full = await patch(path, me.access_token, { a: 'x'.repeat(room) })
    t.equal(full.status, 200)
    for (const change of [{ a: 'x'.repeat(room + 1) }, { a: 'é'.repeat(room / 2 + 1) }, { b: 1 }]) {
      t.match(await patch(path, me.access_token, change), { status: 413, body: { code: 'too_large' } })
    }
    const found = await read(path, me.access_token)
    t.equal(found.headers['etag'], full.headers['etag'])
    t.strictSame(
      (await patch(path, me.access_token, { a: null, b: 1 })).body,
      { b: 1 },
      'and it can be made smaller again',
    )
  }
})

t.test('preferences follow the user to every device; session data stay with the session', async (t) => {
  const me = await home.newcomer()
  const phone = (await login(me.email)).body
  const neighbour = await home.newcomer()
  await patch(PREFERENCES, me.access_token, { theme: 'dark' })
  await patch(DATA, me.access_token, { cart: 1 })
  t.strictSame((await read(PREFERENCES, phone.access_token)).body, { theme: 'dark' })
  t.strictSame((await read(DATA, phone.access_token)).body, {})
  t.strictSame((await read(PREFERENCES, neighbour.access_token)).body, {})
  t.strictSame((await read(DATA, neighbour.access_token)).body, {})
})

t.test('the cart survives refreshes, a password change, another instance and a restart', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const homes = await twoHomes(t, redis)
  const me = await homes[0].newcomer()
  await patch(DATA, me.access_token, { cart: ['book'] }, {}, homes[0])
  await patch(PREFERENCES, me.access_token, { theme: 'dark' }, {}, homes[1])
  const one = await next(t, me.refresh_token, homes[1])
  for (const each of homes) each.clock.advance(29 * MINUTE)
  const two = await next(t, one.refresh_token, homes[0])
  const passwords = { current_password: PASSWORD, new_password: 'quite another password' }
  const changed = await homes[1].call('POST', '/v1/password', { token: two.access_token, body: passwords })
  for (const each of homes) {
    t.strictSame((await read(DATA, changed.body.access_token, each)).body, { cart: ['book'] })
    t.strictSame((await read(PREFERENCES, changed.body.access_token, each)).body, { theme: 'dark' })
  }

  const DATA_DIR = await mkdtemp(join(tmpdir(), 'latchkey-cart-'))
  t.teardown(() => rm(DATA_DIR, { recursive: true }))
  const before = await openHome({ DATA_DIR })
  const you = await before.newcomer()
  const written = await patch(DATA, you.access_token, { cart: { tea: 2 } }, {}, before)
  await patch(PREFERENCES, you.access_token, { theme: 'light' }, {}, before)
  await before.close()
  const after = await openHome({ DATA_DIR })
  t.teardown(after.close)
  after.clock.now = before.clock.now
  const found = await read(DATA, you.access_token, after)
  t.strictSame([found.body, found.headers['etag']], [{ cart: { tea: 2 } }, written.headers['etag']])
  t.strictSame((await read(PREFERENCES, you.access_token, after)).body, { theme: 'light' })
})

t.test('a remembered cart is there after weeks', async (t) => {
  const home = await openHome()
  t.teardown(home.close)
  const me = await home.newcomer({ remember: true })
  await patch(DATA, me.access_token, { cart: ['book'] }, {}, home)
  home.clock.advance(13 * DAY)
  const one = await next(t, me.refresh_token, home)
  home.clock.advance(13 * DAY)
  const two = await next(t, one.refresh_token, home)
  t.strictSame((await read(DATA, two.access_token, home)).body, { cart: ['book'] })
})

t.test('session data go with the session, preferences with the account, also from the store', async (t) => {
  const me = await home.newcomer()
  const phone = (await login(me.email)).body
  await patch(DATA, me.access_token, { cart: 1 })
  await patch(PREFERENCES, me.access_token, { theme: 'dark' })
  const stored = (key: any) => home.deps.store.get(key)
  t.ok(await stored(keys.sessionData(me.user.id, me.session_id)))
  await logout({ refresh_token: me.refresh_token })
  t.match(await read(DATA, me.access_token), { status: 401, body: { code: 'token_revoked' } })
  t.match(await patch(DATA, me.access_token, { cart: 2 }), { status: 401, body: { code: 'token_revoked' } })
  t.equal(await stored(keys.sessionData(me.user.id, me.session_id)), null)
  t.strictSame((await read(PREFERENCES, phone.access_token)).body, { theme: 'dark' })

  await patch(DATA, phone.access_token, { cart: 3 })
  t.equal(
    (await home.call('DELETE', '/v1/me', { token: phone.access_token, body: { password: PASSWORD } })).status,
    204,
  )
  for (const path of [DATA, PREFERENCES]) {
    t.match(await patch(path, phone.access_token, { x: 1 }), { status: 401, body: { code: 'token_revoked' } })
  }
  t.equal(await stored(keys.sessionData(me.user.id, phone.session_id)), null)
  t.equal(await stored(keys.preferences(me.user.id)), null)
})

t.test('a patch that races the end of its session leaves nothing behind', async (t) => {
  const me = await home.newcomer()
  for (let i = 0; i < 10; i += 1) {
    const phone = (await login(me.email)).body
    const [out] = await Promise.all([
      logout({ refresh_token: phone.refresh_token }),
      ...Array.from({ length: 10 }, (_, j) => patch(DATA, phone.access_token, { [j]: 1 })),
    ])
    t.equal(out.status, 204)
    t.equal(await home.deps.store.get(keys.sessionData(me.user.id, phone.session_id)), null)
  }
})
