import t from 'tap'
import { openHome } from './support/home.ts'

t.test('a newcomer registers, calls, refreshes, logs out, and is refused', async (t) => {
  const home = await openHome()
  t.teardown(home.close)
  const me = await home.newcomer()
  t.equal((await home.call('GET', '/v1/verify', { token: me.access_token })).status, 204)
  const next = await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
  t.equal(next.status, 200)
  t.equal((await home.call('POST', '/v1/logout', { body: { refresh_token: next.body.refresh_token } })).status, 204)
  const refused = await home.call('GET', '/v1/verify', { token: me.access_token })
  t.match(refused, { status: 401, body: { code: 'token_revoked' } })
})
