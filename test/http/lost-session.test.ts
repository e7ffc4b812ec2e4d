import t from 'tap'
import { keys } from '../../src/store/keys.ts'
import { type Newcomer, openHome } from '../support/home.ts'

const home = await openHome()
t.teardown(home.close)

/** Somebody with a session whose record a failover has lost: its access token is still good. */
async function forgotten(): Promise<Newcomer> {
  const me = await home.newcomer()
  const deletes = [keys.session(me.user.id, me.session_id)]
  await home.deps.store.commit({ checks: [], puts: [], deletes })
  t.equal(await statusOf(me.access_token), 204)
  return me
}
const statusOf = async (token: string) => (await home.call('GET', '/v1/verify', { token })).status

t.test('a session that the store has lost is logged out by its own access token', async (t) => {
  const me = await forgotten()
  t.equal((await home.call('POST', '/v1/logout', { token: me.access_token })).status, 204)
  t.equal(await statusOf(me.access_token), 401)
})

t.test('a logout of all sessions reaches the access token of one that the store has lost', async (t) => {
  const me = await forgotten()
  const { email, password } = me
  const other = await home.call('POST', '/v1/login', { body: { email, password } })
  const token = other.body.access_token
  t.equal((await home.call('POST', '/v1/logout', { token, body: { scope: 'all' } })).status, 204)
  t.equal(await statusOf(me.access_token), 401)
})

t.test(
  'a refresh token of a session that the store has lost keeps no live token beside it from logging out',
  async (t) => {
    const [me, lost] = [await home.newcomer(), await forgotten()]
    const body = { refresh_token: lost.refresh_token }
    t.equal((await home.call('POST', '/v1/logout', { token: me.access_token, body })).status, 204)
    t.equal(await statusOf(me.access_token), 401)
  },
)
