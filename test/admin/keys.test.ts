import t from 'tap'
import { ADMIN_KEY } from '../support/env.ts'
import { openAdminHome } from '../support/admin.ts'

// Who gets at the operator's listener.

const SECOND_KEY = 'q3Wf8xKz1TnVb6Lr0JmYc5HsGd9PuEo2IaXvN7Mt4kQ'
const PATHS = ['/admin', '/admin/v1/users/x', '/admin/v1/nothing', '/admin/', '/%61dmin/v1/users/x', '/admin?x']

t.test('without a right key everything below /admin is 401, whether it is there or not', async (t) => {
  const home = await openAdminHome(t)
  const { access_token } = await home.newcomer()
  for (const method of ['GET', 'PUT', 'DELETE', 'POST', 'PATCH'])
    for (const path of PATHS) {
      const none = await home.admin(method, path, { token: undefined as never })
      t.match(none, { status: 401, body: { code: 'no_token' } }, `${method} ${path}`)
      for (const token of [access_token, ADMIN_KEY.slice(1), `${ADMIN_KEY} `, ADMIN_KEY.toLowerCase(), 'x'])
        t.match(await home.admin(method, path, { token }), { status: 401, body: { code: 'token_invalid' } })
    }
  t.notMatch(JSON.stringify(home.lines), ADMIN_KEY.slice(1))
})

t.test('with a right key what is not there is 404, and a wrong method 405', async (t) => {
  const home = await openAdminHome(t)
  t.match(await home.admin('GET', '/admin/v1/nothing'), { status: 404 })
  t.match(await home.admin('PATCH', '/admin/v1/users/x'), { status: 405, headers: { allow: 'GET, HEAD, DELETE' } })
})

t.test('nothing of the listener is on the public port, nor of the public port on the listener', async (t) => {
  const home = await openAdminHome(t)
  t.equal((await home.call('GET', '/admin/v1/users/x', { token: ADMIN_KEY })).status, 404)
  t.match(await home.call('GET', '/v1/me', { token: ADMIN_KEY }), { status: 401, body: { code: 'token_invalid' } })
  t.equal((await home.admin('POST', '/v1/login', { body: {} })).status, 404)
  for (const path of ['/livez', '/readyz', '/readyz/own']) t.equal((await home.admin('GET', path)).status, 200)
})

t.test(
  'keys rotate: several are right at once, and the log names the one that was used, and the person behind it',
  async (t) => {
    const home = await openAdminHome(t, { ADMIN_KEYS: `ops=${ADMIN_KEY}, next+export=${SECOND_KEY}` })
    const me = await home.newcomer()
    const at = `/admin/v1/users/${me.user.id}/roles`
    for (const [token, by] of [
      [ADMIN_KEY, 'ops'],
      [SECOND_KEY, 'next'],
    ] as const) {
      const body = { roles: [by] }
      const headers = { 'x-actor': `ada@example.org\u0000${'x'.repeat(400)}` }
      t.equal((await home.admin('PUT', at, { token, body, headers })).status, 204)
      const [changed] = home.events('roles.changed').slice(-1)
      t.match(changed, { by, user_id: me.user.id, actor: /^ada@example\.org/ })
      t.ok(changed?.['actor'].length <= 256)
      t.match(home.events('operator.called').slice(-1), [
        { by, route: 'PUT /admin/v1/users/:id/roles', status: 204, user_id: me.user.id },
      ])
    }
    t.strictSame(home.events('operator.refused'), [])
    await home.admin('GET', at, { token: 'x' })
    t.equal(home.events('operator.refused').length, 1)
  },
)
