import t, { type Test } from 'tap'
import { keys } from '../../src/store/keys.ts'
import { type Home, openHome } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'

const MINUTE = 60_000

const refresh = (home: Home, refresh_token: string) => home.call('POST', '/v1/refresh', { body: { refresh_token } })
const patch = (home: Home, token: string) =>
  home.call('PATCH', '/v1/session/data', { token, body: { cart: 'three bicycles' } })

t.test('session data stay while the session is used, and go when it idles out', async (t) => {
  const home = await openHome()
  t.teardown(home.close)
  const me = await home.newcomer()
  await patch(home, me.access_token)
  const stored = async () => (await home.deps.store.get(keys.sessionData(me.user.id, me.session_id)))?.value ?? null
  let { refresh_token, access_token } = me
  for (let turn = 0; turn < 5; turn += 1) {
    home.clock.advance(20 * MINUTE)
    ;({ refresh_token, access_token } = (await refresh(home, refresh_token)).body)
    t.match((await home.call('GET', '/v1/session/data', { token: access_token })).body, { cart: 'three bicycles' })
  }
  const passwords = { current_password: me.password, new_password: `${me.password} again` }
  home.clock.advance(4 * MINUTE)
  const changed = await home.call('POST', '/v1/password', { token: access_token, body: passwords })
  home.clock.advance(28 * MINUTE)
  t.match(await stored(), { cart: 'three bicycles' }, 'a password change keeps them, too')
  t.equal((await refresh(home, changed.body.refresh_token)).status, 200)
  home.clock.advance(30 * MINUTE - 1)
  t.match(await stored(), { cart: 'three bicycles' })
  home.clock.advance(1)
  t.equal(await stored(), null)
})

t.test('a spent token that is shown again keeps no data', async (t) => {
  const home = await openHome()
  t.teardown(home.close)
  const me = await home.newcomer()
  await patch(home, me.access_token)
  await refresh(home, me.refresh_token)
  home.clock.advance(29 * MINUTE)
  t.equal((await refresh(home, me.refresh_token)).status, 200)
  home.clock.advance(MINUTE)
  t.equal(await home.deps.store.get(keys.sessionData(me.user.id, me.session_id)), null)
})

async function keptFor(t: Test, remember: boolean): Promise<number[]> {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const home = await openHome({ REDIS_URL: redis.url })
  t.teardown(home.close)
  const me = await home.newcomer({ remember })
  await patch(home, me.access_token)
  const minutesLeft = async () =>
    Math.ceil(Number(await redis.cli('PTTL', keys.sessionData(me.user.id, me.session_id))) / MINUTE)
  const [before] = [await minutesLeft(), home.clock.advance(MINUTE)]
  await refresh(home, me.refresh_token)
  return [before, await minutesLeft()]
}

t.test('Redis keeps them no longer than the idle timeout, and a refresh puts that off', async (t) => {
  t.strictSame(await keptFor(t, false), [30, 30])
  t.strictSame(await keptFor(t, true), [14 * 24 * 60, 14 * 24 * 60])
})
