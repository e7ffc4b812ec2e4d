import t from 'tap'
import { keys } from '../../src/store/keys.ts'
import { put } from '../../src/store/store.ts'
import { openHome } from '../support/home.ts'
import { startRedis } from '../support/redis.ts'

// A password change, and what has happened just before it or meanwhile.

const NEXT = 'nine blue umbrellas on the roof'

t.test('after a failover that lost rotations, an access token of before the change ends no session', async (t) => {
  const home = await openHome()
  t.teardown(home.close)
  const me = await home.newcomer()
  const place = keys.session(me.user.id, me.session_id)
  const before = await home.deps.store.get(place)
  const first = (await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })).body
  const second = (await home.call('POST', '/v1/refresh', { body: { refresh_token: first.refresh_token } })).body
  await home.deps.store.commit({ checks: [], puts: [put(place, before?.value as never, null)], deletes: [] })

  const body = { current_password: me.password, new_password: NEXT }
  const changed = (await home.call('POST', '/v1/password', { token: second.access_token, body })).body
  t.equal((await home.call('POST', '/v1/logout', { token: second.access_token })).status, 204)
  const goesOn = await home.call('POST', '/v1/refresh', { body: { refresh_token: changed.refresh_token } })
  t.equal(goesOn.status, 200, 'the client that has the new tokens stays in')
})

t.test('a change that began before everything was revoked is not made after it', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const slow = await openHome({ REDIS_URL: redis.url, ARGON2_MEMORY_KIB: '65536', ARGON2_PASSES: '6' })
  const other = await openHome({ REDIS_URL: redis.url })
  t.teardown(() => Promise.all([slow.close(), other.close()]))
  const me = await other.newcomer()
  t.equal((await slow.call('GET', '/v1/verify', { token: me.access_token })).status, 204)

  const body = { current_password: me.password, new_password: NEXT }
  const changing = slow.call('POST', '/v1/password', { token: me.access_token, body })
  await new Promise((resolve) => setTimeout(resolve, 60)) // it hashes
  await other.deps.keyring.revokeEverything()
  const login = await other.call('POST', '/v1/login', { body: { email: me.email, password: me.password } })
  t.equal(login.status, 200)
  t.ok([401, 503].includes((await changing).status))
  const again = await other.call('POST', '/v1/login', { body: { email: me.email, password: me.password } })
  t.equal(again.status, 200, 'the password is the one of before')
  await other.call('POST', '/v1/logout', { token: again.body.access_token, body: { scope: 'all' } })
  const over = await other.call('POST', '/v1/refresh', { body: { refresh_token: login.body.refresh_token } })
  t.match(over, { status: 401, body: { code: 'session_over' } }, 'a logout of all ends every session')
})
