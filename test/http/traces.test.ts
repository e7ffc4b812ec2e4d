import t, { type Test } from 'tap'
import { StoreUnavailable } from '../../src/store/store.ts'
import { openAdminHome } from '../support/admin.ts'
import { type Home, openHome } from '../support/home.ts'
import { makeWatched } from '../support/watched-store.ts'

// What the log says of the trace that a request is part of.

const [TRACE, SPAN] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']
const TRACED = { traceparent: `00-${TRACE}-${SPAN}-01` }
const NAMED = { trace_id: TRACE, span_id: SPAN }

/** The lines that an act leaves: at least one. */
async function linesOf(t: Test, { lines }: Pick<Home, 'lines'>, act: () => Promise<unknown>) {
  const before = lines.length
  await act()
  t.not(lines.length, before)
  return lines.slice(before)
}

t.test('every line that a request leaves in the log names the trace and the span of who sent it', async (t) => {
  const watched = makeWatched()
  const home = await openAdminHome(t, {}, { store: watched.around })
  const me = await home.newcomer()
  const { email, password, refresh_token } = me
  const acts: (() => Promise<unknown>)[] = [
    () => home.call('POST', '/v1/login', { body: { email, password }, headers: TRACED }),
    () => home.call('POST', '/v1/login', { body: { email, password: 'wrong, and long enough' }, headers: TRACED }),
    () => home.call('POST', '/v1/refresh', { body: { refresh_token }, headers: TRACED }),
    () => home.call('POST', '/v1/refresh', { body: { refresh_token: 'x' }, headers: TRACED }),
    () => home.admin('PUT', `/admin/v1/users/${me.user.id}/roles`, { body: { roles: [] }, headers: TRACED }),
    () => home.admin('GET', '/admin/v1/users', { token: 'x', headers: TRACED }),
    () => home.call('POST', '/v1/logout', { body: { refresh_token, scope: 'all' }, headers: TRACED }),
  ]
  for (const act of acts) for (const line of await linesOf(t, home, act)) t.match(line, NAMED, line['event'])

  for (const [failure, told] of [
    [new StoreUnavailable('away'), { code: 'store_unavailable' }],
    [new TypeError('broken'), { code: 'internal' }],
  ] as const) {
    watched.watch = async () => {
      throw failure
    }
    const asked = { body: { refresh_token }, headers: TRACED }
    const lines = await linesOf(t, home, () => home.call('POST', '/v1/refresh', asked))
    t.match(lines, [{ ...told, ...NAMED }])
  }
})

t.test('a request of no trace, or of one that is malformed, leaves lines that name none', async (t) => {
  const home = await openHome()
  t.teardown(home.close)
  const body = { refresh_token: 'x' }
  for (const traceparent of [undefined, '', `00-${TRACE}-${SPAN}`, `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`]) {
    const headers = traceparent === undefined ? {} : { traceparent, tracestate: 'a=b' }
    for (const line of await linesOf(t, home, () => home.call('POST', '/v1/refresh', { body, headers })))
      t.notOk('trace_id' in line || 'span_id' in line, `${traceparent}`)
  }
})
