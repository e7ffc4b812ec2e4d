import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { keys } from '../../src/store/keys.ts'
import { openHome } from '../support/home.ts'

// The list of a user's sessions is full when somebody logs in.

const MINUTE = 60_000
const SETTINGS = { SESSION_MAX: '1' }

/** A session that has timed out, with an access token that was issued in its last minute. */
async function makeTimedOut() {
  const home = await openHome(SETTINGS)
  const me = await home.newcomer()
  const refresh = () => home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
  await refresh()
  home.clock.advance(29 * MINUTE)
  const { access_token: token } = (await refresh()).body // the first answer was lost
  home.clock.advance(MINUTE)
  const { email, password } = me
  const login = async () => (await home.call('POST', '/v1/login', { body: { email, password } })).body
  return { home, me, token, login }
}

for (const scope of ['others', 'all']) {
  t.test(
    `a logout of ${scope} leaves no token alive of a session that has timed out, though the list was full since`,
    async (t) => {
      const { home, me, token, login } = await makeTimedOut()
      t.teardown(home.close)
      const { access_token } = await login()
      t.equal((await home.call('GET', '/v1/verify', { token })).status, 204, 'it lives out its minutes')
      t.equal((await home.call('POST', '/v1/logout', { token: access_token, body: { scope } })).status, 204)
      t.match(await home.call('GET', '/v1/verify', { token }), { status: 401, body: { code: 'token_revoked' } })
      const refused = await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
      t.match(refused, { status: 401, body: { reason: 'logged_out' } })
    },
  )
}

t.test('one that ended itself by a lower SESSION_MAX leaves no token alive either', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-full-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const many = await openHome({ DATA_DIR: dir })
  const me = await many.newcomer()
  const { email, password } = me
  const login = async (at: typeof many) => (await at.call('POST', '/v1/login', { body: { email, password } })).body
  const others = [me, await login(many), await login(many)]
  await many.close()
  const few = await openHome({ DATA_DIR: dir, SESSION_MAX: '1' })
  t.teardown(few.close)
  const last = await login(few)
  t.equal((await few.call('POST', '/v1/logout', { token: last.access_token, body: { scope: 'others' } })).status, 204)
  for (const { access_token } of others)
    t.match(await few.call('GET', '/v1/verify', { token: access_token }), {
      status: 401,
      body: { code: 'token_revoked' },
    })
})

t.test('a session leaves the list when its last access token is dead, and says why it is over', async (t) => {
  const { home, me, login } = await makeTimedOut()
  t.teardown(home.close)
  await login()
  const listed = async () => (await home.deps.store.get(keys.user(me.user.id)))?.value.sessions ?? []
  t.ok((await listed()).includes(me.session_id))
  home.clock.advance(5 * MINUTE + 9_999)
  await login()
  t.ok((await listed()).includes(me.session_id))
  home.clock.advance(1)
  await login()
  t.notOk((await listed()).includes(me.session_id))
  t.equal((await listed()).length, 1)
  const refused = await home.call('POST', '/v1/refresh', { body: { refresh_token: me.refresh_token } })
  t.match(refused, { status: 401, body: { reason: 'idle_timeout' } })
})
