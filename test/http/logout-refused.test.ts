import t from 'tap'
import { type Newcomer, openHome } from '../support/home.ts'

const home = await openHome()
t.teardown(home.close)

const refresh = async (refresh_token: string) =>
  (await home.call('POST', '/v1/refresh', { body: { refresh_token } })).body as Newcomer
const logout = (body: object, token?: string) =>
  home.call('POST', '/v1/logout', token === undefined ? { body } : { body, token })
const statusOf = async (token: string) => (await home.call('GET', '/v1/verify', { token })).status

t.test('a refresh token of before a password change ends nothing, once the new one has been seen', async (t) => {
  const me = await home.newcomer()
  const tab = await refresh(me.refresh_token)
  const body = { current_password: me.password, new_password: 'eleven grey kites over the sea' }
  const changed = (await home.call('POST', '/v1/password', { token: tab.access_token, body })).body
  t.equal(await statusOf(changed.access_token), 204)
  await refresh(changed.refresh_token)
  for (const scope of ['others', 'all']) {
    const refused = await logout({ refresh_token: me.refresh_token, scope })
    t.match(refused, { status: 401, body: { code: 'session_over', reason: 'password_changed' } }, scope)
  }
  t.equal(await statusOf(changed.access_token), 204)
})

t.test('a spent refresh token ends no other session, and not its own', async (t) => {
  const me = await home.newcomer()
  const next = await refresh((await refresh(me.refresh_token)).refresh_token)
  home.clock.advance(60_000)
  for (const scope of ['others', 'all']) {
    const refused = await logout({ refresh_token: me.refresh_token, scope })
    t.match(refused, { status: 401, body: { code: 'session_over', reason: 'token_reused' } }, scope)
  }
  t.equal(await statusOf(next.access_token), 204)
})

t.test('a logout of scope session ends the session that it names, and no other', async (t) => {
  const me = await home.newcomer()
  const { email, password } = me
  const other = (await home.call('POST', '/v1/login', { body: { email, password } })).body
  t.equal((await logout({ scope: 'session' }, me.access_token)).status, 204)
  t.same([await statusOf(me.access_token), await statusOf(other.access_token)], [401, 204])
})
