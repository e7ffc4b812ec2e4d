import type { Copy, Device, MakeDevice, Person, Result, Site } from './device.ts'
import { resultOf } from './device.ts'
import { type Got, type Route, type Sent, send, sendOnce } from './http.ts'
import { makeJar } from './jar.ts'

// Latchkey's devices. They do what docs/clients.md tells clients to: on a 401 refresh, one tab at a time, and repeat.

/** What all tabs of a browser share: in a cookie that no script reads, or in the app's own storage. */
interface Shared {
  refreshToken: string | undefined
  readonly transport: 'body' | 'cookie'
  readonly jar: ReturnType<typeof makeJar>
  /** Settles when the tab whose turn it is has refreshed: a page has Web Locks for that. */
  turn: Promise<unknown>
}

/** An app or a browser that keeps the refresh token so. Each tab has an access token of its own. */
export function latchkeyDevice(transport: 'body' | 'cookie'): MakeDevice {
  return (site, person, from) => makeDevice(site, person, { from, port: site.port }, newlyShared(site, transport))
}

function newlyShared(site: Site, transport: Shared['transport']): Shared {
  return { refreshToken: undefined, transport, jar: makeJar(site.now), turn: Promise.resolve() }
}

function makeDevice(site: Site, person: Person, start: Route, shared: Shared, token?: string): Device {
  let route = start
  let accessToken = token

  const ask = async (sent: Sent): Promise<Got> => {
    const got = await send(route, sent, ({ status }) => site.heard(status, sent.path))
    shared.jar.take(got.headers['set-cookie'])
    if (got.body?.access_token !== undefined) accessToken = got.body.access_token
    if (got.body?.refresh_token !== undefined) shared.refreshToken = got.body.refresh_token
    return got
  }
  const withToken = (method: string, path: string, body?: unknown): Sent => ({
    method,
    path,
    headers: accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` },
    ...(body === undefined ? {} : { body }),
  })
  const refresh = () => ask(refreshRequest(shared))
  const refreshInTurn = () => {
    const refreshed = shared.turn.then(refresh)
    shared.turn = refreshed.catch(() => {})
    return refreshed
  }
  const call = async (method: string, path: string, body?: unknown): Promise<Got> => {
    const got = await ask(withToken(method, path, body))
    if (got.status !== 401) return got
    const refreshed = await refreshInTurn()
    return refreshed.status === 200 ? ask(withToken(method, path, body)) : refreshed
  }
  const act = async (...args: Parameters<typeof call>): Promise<Result> => resultOf(await call(...args))
  const enter = async (path: string): Promise<Result> => {
    const { email, password } = person
    const body = { email, password, transport: shared.transport, remember: true }
    return resultOf(await ask({ method: 'POST', path, headers: BROWSER, body }))
  }

  return {
    person,
    login: () => enter('/v1/login'),
    whoAmI: () => act('GET', '/v1/verify'),
    async look() {
      const [data, preferences] = [await call('GET', '/v1/session/data'), await call('GET', '/v1/me/preferences')]
      if (data.status !== 200 || preferences.status !== 200) return resultOf(data.status === 200 ? preferences : data)
      const cart = Object.keys(data.body.cart ?? {})
      return { kind: 'ok', status: 200, state: { cart, theme: preferences.body.theme ?? 'light' } }
    },
    addToCart: (item) => act('PATCH', '/v1/session/data', { cart: { [item]: 1 } }),
    setTheme: (theme) => act('PATCH', '/v1/me/preferences', { theme }),
    logout: async () => resultOf(await ask({ ...refreshRequest(shared), path: '/v1/logout' })),
    async changePassword(next) {
      const result = await act('POST', '/v1/password', { current_password: person.password, new_password: next })
      if (result.kind === 'ok') person.password = next
      return result
    },
    renew: async () => resultOf(await refresh()),
    tab: () => makeDevice(site, person, route, shared, accessToken),
    steal: () => makeCopy(route, { ...shared, jar: shared.jar.copy() }, accessToken),
    move: (to) => void (route = { ...route, ...to }),
  }
}

// What a browser says of a request that the page itself makes.
const BROWSER = { 'sec-fetch-site': 'same-origin' }

function refreshRequest({ transport, refreshToken, jar }: Shared): Sent {
  const path = '/v1/refresh'
  if (transport === 'body') return { method: 'POST', path, body: { refresh_token: refreshToken ?? '' } }
  const cookie = jar.header()
  return { method: 'POST', path, headers: cookie === '' ? BROWSER : { ...BROWSER, cookie } }
}

/** The thief has both tokens, and uses both. */
function makeCopy(route: Route, shared: Shared, stolenToken: string | undefined): Copy {
  let accessToken = stolenToken
  const refreshAt = async (port: number) => {
    const got = await sendOnce({ ...route, port }, refreshRequest(shared))
    shared.jar.take(got.headers['set-cookie'])
    if (got.body?.refresh_token !== undefined) shared.refreshToken = got.body.refresh_token
    if (got.body?.access_token !== undefined) accessToken = got.body.access_token
    return got
  }
  const verifyAt = (port: number) => {
    const headers = { authorization: `Bearer ${accessToken}` }
    return sendOnce({ ...route, port }, { method: 'GET', path: '/v1/verify', headers })
  }
  return {
    isAcceptedAt: async (port) => (await verifyAt(port)).status === 204 || (await refreshAt(port)).status === 200,
    async renew() {
      const refreshed = await refreshAt(route.port)
      return resultOf(refreshed.status === 200 ? await verifyAt(route.port) : refreshed)
    },
  }
}

/** Makes the account; Latchkey keeps its accounts itself. */
export async function register(port: number, { email, password }: Person): Promise<void> {
  const route = { from: '127.0.0.1', port }
  const { status } = await send(route, { method: 'POST', path: '/v1/register', body: { email, password } })
  if (status !== 201 && status !== 409) throw new Error(`register: ${status}`)
}
