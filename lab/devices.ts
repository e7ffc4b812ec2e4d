import type { Copy, Device, MakeDevice, Person, Result, Site } from './device.ts'
import { resultOf } from './device.ts'
import { type Got, type Route, type Sent, send, sendOnce } from './http.ts'
import { type Jar, makeJar } from './jar.ts'

// The devices of all contenders but Latchkey. They keep one credential, which all tabs of a browser share.

interface Keep {
  readonly headers: () => Record<string, string>
  readonly take: (got: Got) => void
  readonly copy: () => Keep
}

/** A browser with cookies. It loads the page before it logs in, and so has what a balancer gives it. */
export const cookieDevice: MakeDevice = (site, person, from) =>
  makeDevice(site, person, from, jarKeep(makeJar(site.now)))

/** An app that keeps a token in its storage, which all its tabs read. */
export const tokenDevice: MakeDevice = (site, person, from) => makeDevice(site, person, from, tokenKeep())

function jarKeep(jar: Jar): Keep {
  return {
    headers: () => (jar.header() === '' ? {} : { cookie: jar.header() }),
    take: ({ headers }) => jar.take(headers['set-cookie']),
    copy: () => jarKeep(jar.copy()),
  }
}

function tokenKeep(token?: string): Keep {
  let kept = token
  return {
    headers: () => (kept === undefined ? {} : { authorization: `Bearer ${kept}` }),
    take({ status, body }) {
      if (status === 204) kept = undefined
      else if (body?.token !== undefined) kept = body.token
    },
    copy: () => tokenKeep(kept),
  }
}

function makeDevice(site: Site, person: Person, from: string, keep: Keep): Device {
  let route: Route = { from, port: site.port }
  const ask = async (method: string, path: string, body?: unknown): Promise<Got> => {
    const sent: Sent = { method, path, headers: keep.headers(), ...(body === undefined ? {} : { body }) }
    const got = await send(route, sent, ({ status }) => site.heard(status, path))
    keep.take(got)
    return got
  }
  const act = async (method: string, path: string, body?: unknown): Promise<Result> =>
    resultOf(await ask(method, path, body))
  return {
    person,
    async login() {
      await ask('GET', '/')
      return act('POST', '/login', { email: person.email, password: person.password })
    },
    whoAmI: () => act('GET', '/me'),
    look: () => act('GET', '/me'),
    addToCart: (item) => act('POST', '/cart', { item }),
    setTheme: (theme) => act('POST', '/theme', { theme }),
    logout: () => act('POST', '/logout'),
    async changePassword(next) {
      const result = await act('POST', '/password', { current: person.password, next })
      if (result.kind === 'ok') person.password = next
      return result
    },
    renew: () => act('GET', '/me'),
    tab: () => makeDevice(site, person, route.from, keep),
    steal: () => makeCopy(route, keep.copy()),
    move: (to) => void (route = { ...route, ...to }),
  }
}

function makeCopy(route: Route, keep: Keep): Copy {
  const ask = async (port: number) => {
    const got = await sendOnce({ ...route, port }, { method: 'GET', path: '/me', headers: keep.headers() })
    if (got.status !== 401) keep.take(got)
    return got
  }
  return {
    isAcceptedAt: async (port) => (await ask(port)).status === 200,
    renew: async () => resultOf(await ask(route.port)),
  }
}
