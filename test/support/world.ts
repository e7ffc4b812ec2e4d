import type { Test } from 'tap'
import { NO_LIMITS, TEST_SECRET } from './env.ts'
import type { Newcomer } from './home.ts'
import { type Proxy, startProxy } from './proxy.ts'
import { type RedisProcess, startRedis } from './redis.ts'
import { type Answer, type Service, startService } from './service.ts'
import { eventually } from './settle.ts'

// What tests of faults share: instances with a past, and the question whether all of it still holds.

export const ISSUER = 'http://localhost:3000'
export const PASSWORD = 'seven red bicycles in the rain'
/** What a browser says of a request to the service's own origin. */
export const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin' }
/** A Redis that forgets nothing it has answered. */
export const AOF = ['--appendonly', 'yes', '--appendfsync', 'always']

export type Env = Record<string, string>
export type Session = { access_token: string; refresh_token: string; readonly session_id: string }
/** Whatever takes requests: an instance, or a balancer in front of some. */
export type Door = Pick<Service, 'call'>

/** What has happened before the fault: sessions that live, sessions and tokens that are over. */
export type Past = {
  readonly live: readonly Session[]
  readonly inCookies: { cookie: string; access_token: string }
  readonly over: readonly Session[]
}

/** Instances on one store, and their past. */
export type World = Past & {
  readonly all: readonly Service[]
  readonly one: Service
  /** A newcomer whose sessions nobody misses. */
  readonly spare: () => Promise<Newcomer>
}

/** A world on one Redis, with a proxy on the way to it. */
export type RedisWorld = World & { readonly redis: RedisProcess; readonly proxy: Proxy }

/** Starts an instance that goes with the test. */
export async function launch(t: Test, url: string, env: Env = {}, until: 'live' | 'ready' = 'ready'): Promise<Service> {
  const service = await startService(
    { ISSUER, AUTH_SECRET: TEST_SECRET, REDIS_URL: url, ...NO_LIMITS, ...env },
    { until },
  )
  t.teardown(service.kill)
  return service
}

/** Starts a Redis that goes with the test. */
export async function launchRedis(t: Test, ...args: string[]): Promise<RedisProcess> {
  const redis = await startRedis({ args })
  t.teardown(redis.stop)
  return redis
}

/** Starts a proxy that goes with the test. */
export async function launchProxy(t: Test, port: number): Promise<Proxy> {
  const proxy = await startProxy(port)
  t.teardown(proxy.stop)
  return proxy
}

/** A world of its own Redis. */
export async function makeWorld(
  t: Test,
  { args = [], instances = 1, env = {} }: { args?: string[]; instances?: number; env?: Env } = {},
): Promise<RedisWorld> {
  const redis = await launchRedis(t, ...args)
  const proxy = await launchProxy(t, redis.port)
  const url = `redis://127.0.0.1:${proxy.port}`
  const all = await Promise.all(Array.from({ length: instances }, () => launch(t, url, env)))
  return { redis, proxy, ...(await populate(all)) }
}

/** Gives instances a past. */
export async function populate(all: readonly Service[]): Promise<World> {
  const one = all[0] as Service
  return { all, one, spare: () => register(one), ...(await makePast(one)) }
}

let addresses = 0

/** An address that nobody has. */
export function newAddress(): string {
  return `fault-${process.pid}-${(addresses += 1)}@example.org`
}

/** Somebody new. */
export async function register(at: Door): Promise<Newcomer> {
  const email = newAddress()
  const answer = await insist(() => at.call('POST', '/v1/register', { body: { email, password: PASSWORD } }))
  if (answer.status !== 201) throw new Error(`register: ${answer.status}`)
  return { email, password: PASSWORD, ...answer.body }
}

async function makePast(at: Door): Promise<Past> {
  const [me, you, they] = [await register(at), await register(at), await register(at)]
  const login = async (email: string, more = {}): Promise<Answer<any>> =>
    insist(() => at.call('POST', '/v1/login', { body: { email, password: PASSWORD, ...more }, headers: SAME_ORIGIN }))
  const session = async () => (await login(me.email)).body as Session
  const inCookie = await login(me.email, { transport: 'cookie' })
  const [out, ended, live] = [await session(), await session(), await session()]
  await at.call('POST', '/v1/logout', { body: { refresh_token: out.refresh_token } })
  await at.call('DELETE', `/v1/sessions/${ended.session_id}`, { token: me.access_token })
  await at.call('POST', '/v1/logout', { token: you.access_token, body: { scope: 'all' } })
  const change = { current_password: PASSWORD, new_password: `${PASSWORD} again` }
  const changed = await at.call('POST', '/v1/password', { token: they.access_token, body: change })
  const beforeChange = { ...they, refresh_token: out.refresh_token } // its refresh token lives on: the answer may have been lost
  return {
    live: [me, live, changed.body],
    inCookies: { cookie: cookieOf(inCookie), access_token: inCookie.body.access_token },
    over: [out, ended, you, beforeChange],
  }
}

/** Asks again while the answer is 503, for 5 s at most. */
export function insist(ask: () => Promise<Answer<any>>): Promise<Answer<any>> {
  return eventually(
    async () => {
      const answer = await ask()
      return answer.status !== 503 && answer
    },
    { within: 5000 },
  )
}

export const verify = (at: Door, { access_token }: Pick<Session, 'access_token'>) =>
  at.call('GET', '/v1/verify', { token: access_token })
export const refresh = (at: Door, { refresh_token }: Pick<Session, 'refresh_token'>) =>
  at.call('POST', '/v1/refresh', { body: { refresh_token } })
export const login = (at: Door, { email, password }: Pick<Newcomer, 'email' | 'password'>) =>
  at.call('POST', '/v1/login', { body: { email, password } })
export const logout = (at: Door, { refresh_token }: Pick<Session, 'refresh_token'>) =>
  at.call('POST', '/v1/logout', { body: { refresh_token } })
const refreshCookie = (at: Door, cookie: string) =>
  at.call('POST', '/v1/refresh', { headers: { ...SAME_ORIGIN, cookie, 'content-type': 'application/json' } })
const cookieOf = ({ headers }: Answer<unknown>) => (headers.getSetCookie()[0] ?? '').split(';')[0] ?? ''

/** Resolves when the instance is ready again. */
export async function isReady(at: Door, within = 5000): Promise<void> {
  let said: unknown
  const isOk = async () => {
    const { status, body } = await at.call('GET', '/readyz')
    said = body
    return status === 200
  }
  await eventually(isOk, { within }).catch((error: Error) => {
    throw new Error(`not ready within ${within} ms: ${JSON.stringify(said)}`, { cause: error })
  })
}

/** Ready again without a restart within 5 s, sessions that were valid refresh, tokens that were revoked are refused, nothing broke. */
export async function isAsBefore(
  t: Test,
  { all, live, over, inCookies }: Past & Pick<World, 'all'>,
  code?: string | RegExp,
): Promise<void> {
  for (const at of all) {
    await isReady(at)
    for (const session of live) await goesOn(t, at, session)
    const inCookie = await insist(() => refreshCookie(at, inCookies.cookie))
    t.equal(inCookie.status, 200, 'in cookie mode too')
    inCookies.cookie = cookieOf(inCookie)
    for (const session of over) await isOver(t, at, session, code)
    isUnbroken(t, at)
  }
}

/** The session refreshes, and its tokens are the new ones from then on. */
export async function goesOn(t: Test, at: Door, session: Session): Promise<void> {
  const next = await insist(() => refresh(at, session))
  t.equal(next.status, 200, 'a session that was valid refreshes')
  Object.assign(session, next.body)
  t.equal((await insist(() => verify(at, session))).status, 204)
}

/** Both tokens of the session are refused. */
export async function isOver(
  t: Test,
  at: Door,
  session: Session,
  code: string | RegExp = 'token_revoked',
): Promise<void> {
  t.match(await insist(() => verify(at, session)), { status: 401, body: { code } })
  t.match(await insist(() => refresh(at, session)), { status: 401, body: { code: 'session_over' } })
}

/** Nothing that the process did not expect has happened to it. */
export function isUnbroken(t: Test, at: Service): void {
  const broken = at.lines().filter((line) => /unhandled|uncaught|"level":[56]0|"code":"internal"/.test(line))
  t.strictSame(broken.slice(0, 3), [], 'no unhandled rejection, no internal error')
  t.notOk(at.events('session.reused').length, 'nobody was taken for a thief')
}
