import type { Test } from 'tap'
import type { Newcomer } from './home.ts'
import type { Answer, CallRequest, Service } from './service.ts'
import { SAME_ORIGIN } from './world.ts'

export type Ask = readonly [method: string, path: string, request: CallRequest]

/** One request to every route that needs the store, by somebody nobody misses. */
export function everything(me: Newcomer, cookie: string): readonly Ask[] {
  const { access_token: token, refresh_token, email, password } = me
  const credentials = { email, password }
  const withCookie = { headers: { ...SAME_ORIGIN, cookie, 'content-type': 'application/json' } }
  return [
    ['GET', '/v1/verify', { token }],
    ['GET', '/v1/me', { token }],
    ['GET', '/v1/sessions', { token }],
    ['GET', '/v1/session/data', { token }],
    ['PATCH', '/v1/session/data', { token, body: { a: 1 } }],
    ['GET', '/v1/me/preferences', { token }],
    ['PATCH', '/v1/me/preferences', { token, body: { a: 1 } }],
    ['POST', '/v1/refresh', { body: { refresh_token } }],
    ['POST', '/v1/refresh', withCookie],
    ['POST', '/v1/login', { body: credentials }],
    ['POST', '/v1/login', { body: { ...credentials, transport: 'cookie' }, headers: SAME_ORIGIN }],
    ['POST', '/v1/register', { body: { email: `new-${email}`, password } }],
    ['POST', '/v1/logout', { body: { refresh_token } }],
    ['POST', '/v1/logout', withCookie],
    ['POST', '/v1/logout', { token, body: { scope: 'session' } }],
    ['POST', '/v1/logout', { token, body: { scope: 'others' } }],
    ['POST', '/v1/logout', { token, body: { scope: 'all' } }],
    ['DELETE', `/v1/sessions/${me.session_id}`, { token }],
    ['POST', '/v1/password', { token, body: { current_password: password, new_password: `${password} again` } }],
    ['DELETE', '/v1/me', { token, body: { password } }],
  ]
}

/** Every route says 503 with Retry-After and clears no cookie, within half a second; the process says it is alive and not ready. */
export async function refusesAll(
  t: Test,
  at: Service,
  me: Newcomer,
  cookie: string,
  { rounds = 3 } = {},
): Promise<void> {
  const slow = new Map<string, number[]>()
  for (let round = 0; round < rounds; round += 1) {
    await Promise.all(
      everything(me, cookie).map(async ([method, path, request]) => {
        const began = performance.now()
        const answer = await at.call(method, path, request)
        const name = `${method} ${path.replace(me.session_id, '{id}')} ${Object.keys(request).join('+')}`
        slow.set(name, [...(slow.get(name) ?? []), performance.now() - began])
        if (!isRefusal(answer)) t.fail(`${name}: ${answer.status}`, { body: answer.body, headers: [...answer.headers] })
      }),
    )
  }
  for (const [name, times] of slow) {
    const median = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
    if (median > 550) t.fail(`${name} says 503 after ${Math.round(median)} ms`)
  }
  t.equal((await at.call('GET', '/livez')).status, 200)
  const ready = await at.call('GET', '/readyz')
  t.equal(ready.status, 503)
  t.ok(ready.body.reasons.length > 0, ready.body.reasons.join())
}

export function isRefusal({ status, headers, body }: Answer<any>): boolean {
  const isProblem =
    headers.get('content-type')?.startsWith('application/problem+json') &&
    body.status === 503 &&
    body.code === 'store_unavailable'
  return (
    status === 503 &&
    isProblem === true &&
    Number(headers.get('retry-after')) > 0 &&
    headers.getSetCookie().length === 0
  )
}
