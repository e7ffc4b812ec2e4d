import { type Client, createClient, Refused, SessionOver, type TokenStorage, Unavailable } from '@latchkey/client'
import type { Copy, Device, MakeDevice, Person, Result, Site } from './device.ts'
import { resultOf } from './device.ts'
import { type Got, type Route, type Sent, send, sendOnce } from './http.ts'
import { makeJar } from './jar.ts'

// Latchkey's devices: apps and tabs with the package that it ships. Under it are the network and the cookies of the lab.

/** What all tabs of a browser share: in a cookie that no script reads, or in the app's own storage. */
interface Shared {
  refreshToken: string | null
  readonly transport: 'body' | 'cookie'
  readonly jar: ReturnType<typeof makeJar>
  /** Settles when the tab whose turn it is has its answer: a page has Web Locks for that. */
  turn: Promise<unknown>
}

/** What a tab sends by, and the last access token that it was given. */
interface Line {
  route: Route
  accessToken: string | undefined
}

/** An app or a browser that keeps the refresh token so. Each tab has an access token of its own. */
export function latchkeyDevice(transport: 'body' | 'cookie'): MakeDevice {
  return (site, person, from) => makeDevice(site, person, { from, port: site.port }, newlyShared(site, transport))
}

function newlyShared(site: Site, transport: Shared['transport']): Shared {
  return { refreshToken: null, transport, jar: makeJar(site.now), turn: Promise.resolve() }
}

// Whatever is asked there goes by the tab's route.
const BASE = 'http://latchkey.invalid'

function makeDevice(site: Site, person: Person, start: Route, shared: Shared): Device {
  const line: Line = { route: start, accessToken: undefined }
  const open = () => openClient(site, line, shared)
  let client = open()
  const ask = async (method: string, path: string, body?: unknown): Promise<Got> => {
    const json =
      body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    const answer = await client.fetch(path, { method, ...json })
    const text = await answer.text()
    return { status: answer.status, headers: {}, body: text.startsWith('{') ? JSON.parse(text) : null }
  }
  const act = async (...args: Parameters<typeof ask>): Promise<Result> => ask(...args).then(resultOf, resultOfError)

  return {
    person,
    login: () => outcome(client.login({ email: person.email, password: person.password, remember: true })),
    whoAmI: () => act('GET', '/v1/verify'),
    look: () => look(ask).catch(resultOfError),
    addToCart: (item) => act('PATCH', '/v1/session/data', { cart: { [item]: 1 } }),
    setTheme: (theme) => act('PATCH', '/v1/me/preferences', { theme }),
    logout: () => outcome(client.logout()),
    async changePassword(next) {
      const change = { current_password: person.password, new_password: next }
      const result = await outcome(client.changePassword(change))
      if (result.kind === 'ok') person.password = next
      return result
    },
    // As a page does that is loaded again.
    renew() {
      client.dispose()
      client = open()
      return outcome(client.token())
    },
    tab: () => makeDevice(site, person, line.route, shared),
    steal: () => makeCopy(line.route, { ...shared, jar: shared.jar.copy() }, line.accessToken),
    move: (to) => void (line.route = { ...line.route, ...to }),
  }
}

async function look(ask: (method: string, path: string) => Promise<Got>): Promise<Result> {
  const [data, preferences] = [await ask('GET', '/v1/session/data'), await ask('GET', '/v1/me/preferences')]
  if (data.status !== 200 || preferences.status !== 200) return resultOf(data.status === 200 ? preferences : data)
  const cart = Object.keys(data.body.cart ?? {})
  return { kind: 'ok', status: 200, state: { cart, theme: preferences.body.theme ?? 'light' } }
}

function openClient(site: Site, line: Line, shared: Shared): Client {
  const storage: TokenStorage = {
    get: async () => shared.refreshToken,
    set: async (token) => void (shared.refreshToken = token),
  }
  return createClient({
    baseUrl: BASE,
    transport: shared.transport,
    ...(shared.transport === 'body' ? { storage } : {}),
    now: site.now,
    locks: { request: (_name, _options, work) => inTurn(shared, work) },
    fetch: fetchBy(site, line, shared),
  })
}

function inTurn<T>(shared: Shared, work: () => Promise<T>): Promise<T> {
  const turn = shared.turn.then(work)
  shared.turn = turn.catch(() => {})
  return turn
}

/** Sends by the lab's network, which keeps the one rule of all clients, with the browser's cookies. */
function fetchBy(site: Site, line: Line, { jar, transport }: Shared): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    const { pathname: path } = new URL(request.url)
    const text = await request.text()
    const cookie = transport === 'cookie' && jar.header() !== '' ? { cookie: jar.header() } : {}
    const headers = { ...Object.fromEntries(request.headers), ...BROWSER, ...cookie }
    const sent = { method: request.method, path, headers, ...(text === '' ? {} : { body: JSON.parse(text) }) }
    const got = await send(line.route, sent, ({ status }) => site.heard(status, path))
    if (got.status === 0) throw new TypeError('fetch failed')
    jar.take(got.headers['set-cookie'])
    if (got.body?.access_token !== undefined) line.accessToken = got.body.access_token
    return responseOf(got)
  }
}

function responseOf({ status, headers, body }: Got): Response {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const kept = ['content-type', 'retry-after', 'etag'].flatMap((name) => {
    const value = headers[name]
    return typeof value === 'string' ? [[name, value] as [string, string]] : []
  })
  return new Response(status === 204 ? null : text, { status, headers: kept })
}

function outcome(deed: Promise<unknown>): Promise<Result> {
  return deed.then(() => ({ kind: 'ok', status: 200 }), resultOfError)
}

function resultOfError(error: unknown): Result {
  if (error instanceof SessionOver) return { kind: 'out', status: 401 }
  if (error instanceof Refused) return resultOf({ status: error.status, body: null })
  return { kind: 'failed', status: error instanceof Unavailable ? error.status : 0 }
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
