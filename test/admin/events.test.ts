import t from 'tap'
import { ADMIN_KEY } from '../support/env.ts'
import { openAdminHome } from '../support/admin.ts'

// What the log says of each deed of the operator: who did it, for whom, to whom, from where, when, with which result; and nothing else.

const FROM = { 'x-actor': 'ada@example.org', 'user-agent': 'Desk/1.0' }
const BY = { by: 'ops', actor: 'ada@example.org', ip: '203.0.113.9', user_agent: 'Desk/1.0' }
/** What every line says. */
const ENVELOPE = new Set(['level', 'time', 'pid', 'service', 'request_id', ...Object.keys(BY)])

t.test('each deed of the operator leaves its events, with their fields and no others', async (t) => {
  const home = await openAdminHome(t)
  const { user, session_id } = await home.newcomer()
  const at = '/admin/v1/users/:id'
  const [user_id, called] = [user.id, 'operator.called']
  const ended = { event: 'session.ended', user_id, session_id, reason: 'disabled' }
  const deeds: [string, string, object | undefined, number, object[]][] = [
    ['PUT', `${at}/roles`, { roles: ['editor'] }, 204, [{ event: 'roles.changed', user_id }]],
    ['PUT', `${at}/app`, { plan: 'pro' }, 204, [{ event: 'app.changed', user_id }]],
    ['PUT', `${at}/roles`, { roles: 1 }, 400, []],
    ['PUT', `${at}/disabled`, { reason: 'fraud' }, 204, [ended, { event: 'account.disabled', user_id }]],
    ['DELETE', `${at}/disabled`, undefined, 204, [{ event: 'account.enabled', user_id }]],
    ['GET', at, undefined, 200, []],
    ['GET', `${at}/sessions`, undefined, 200, []],
    ['DELETE', `${at}/sessions`, undefined, 204, []],
    ['DELETE', at, undefined, 204, [{ event: 'account.deleted', user_id }]],
    ['DELETE', at, undefined, 404, []],
  ]
  for (const [method, url, body, status, events] of deeds) {
    const before = home.lines.length
    const sent = { headers: FROM, ip: '203.0.113.9', ...(body === undefined ? {} : { body }) }
    t.equal((await home.admin(method, url.replace(':id', user_id), sent)).status, status)
    const lines = home.lines.slice(before)
    const found = lines.map((line) => Object.fromEntries(Object.entries(line).filter(([name]) => !ENVELOPE.has(name))))
    for (const line of lines)
      t.match(line, { ...BY, time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, request_id: /^[\da-f]{8}-/ })
    const wanted = [...events, { event: called, route: `${method} ${url}`, status, user_id }]
    t.strictSame(found, wanted, `${method} ${url}`)
  }
})

t.test('whoever has no right key is written down, without what was shown', async (t) => {
  const home = await openAdminHome(t)
  const before = home.lines.length
  const wrong = `${ADMIN_KEY.slice(0, -1)}A`
  const sent = { token: wrong, headers: FROM, ip: '203.0.113.9' }
  t.equal((await home.admin('DELETE', '/admin/v1/users/x', sent)).status, 401)
  const lines = home.lines.slice(before)
  t.match(lines, [{ event: 'operator.refused', ip: '203.0.113.9', user_agent: 'Desk/1.0', request_id: String }])
  t.notOk('by' in (lines[0] ?? {}) || 'actor' in (lines[0] ?? {}), 'nobody vouches for the actor')
  t.notMatch(JSON.stringify(lines), wrong.slice(0, 20))
})
