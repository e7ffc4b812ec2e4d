import { EventEmitter, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type Client, type ClientOptions, createClient, type TokenStorage } from '@latchkey/client'
import { type Home, type Newcomer } from './home.ts'

// What tests of the package share: the service of this process at a port, and clients whose requests can go wrong.

export const PASSWORD = 'seven red bicycles in the rain'

/** What becomes of a request: `send` sends it, each time it is called. */
export type Fate = (send: () => Promise<Response>, request: Request) => Response | Promise<Response>

/** A fetch that notes what is sent, and does to the next requests of a path what it is told. */
export interface Line {
  readonly fetch: typeof fetch
  readonly sent: { readonly method: string; readonly url: string; readonly token: string | null }[]
  /** How many requests of this path have been sent. */
  readonly count: (path: string) => number
  /** What becomes of the next requests of the path, one after the other. */
  readonly next: (path: string, ...fates: readonly Fate[]) => void
}

/** Opens a line that works. */
export function openLine(): Line {
  const fates: { readonly path: string; readonly fate: Fate }[] = []
  const sent: Line['sent'] = []
  const pathOf = (url: string) => new URL(url).pathname
  return {
    sent,
    count: (path) => sent.filter(({ url }) => pathOf(url) === path).length,
    next: (path, ...all) => void fates.push(...all.map((fate) => ({ path, fate }))),
    async fetch(input, init) {
      const request = new Request(input, init)
      const { method, url, headers } = request
      sent.push({ method, url, token: headers.get('authorization') })
      const at = fates.findIndex(({ path }) => path === pathOf(url))
      const send = () => fetch(request)
      return at < 0 ? send() : (fates.splice(at, 1)[0] as { fate: Fate }).fate(send, request)
    },
  }
}

/** The request arrives, and its answer does not. */
export const loseAnswer: Fate = async (send) => {
  await send()
  throw new TypeError('fetch failed')
}

/** The same; `answer` is what was lost. */
export function lose() {
  const lost: { answer?: any } = {}
  const fate: Fate = async (send) => {
    lost.answer = await (await send()).json()
    throw new TypeError('fetch failed')
  }
  return { fate, lost }
}

/** There is no network. */
export const offline: Fate = () => Promise.reject(new TypeError('fetch failed'))

/** Somebody on the way answers in place of the service. */
export const says = (status: number, body: string, type: string, headers: Record<string, string> = {}): Fate => {
  return () => new Response(body, { status, headers: { 'content-type': type, ...headers } })
}

/** A request that waits, before it is sent or with its answer: `arrived` resolves when it does; it goes on at `pass`. */
export function hold(isAnswered = false) {
  const events = new EventEmitter()
  const [arrived, passed] = [once(events, 'arrived'), once(events, 'passed')]
  const fate: Fate = async (send) => {
    const answer = isAnswered ? await send() : undefined
    events.emit('arrived')
    await passed
    return answer ?? send()
  }
  return { fate, arrived, pass: () => void events.emit('passed') }
}

/** A storage in memory. */
export function openStorage(value: string | null = null): TokenStorage & { value: string | null } {
  return {
    value,
    async get() {
      return this.value
    },
    async set(next) {
      this.value = next
    },
  }
}

/** A fetch as a page of this origin has it: the cookie comes and goes by itself. */
export function withCookies({ fetch }: Pick<Line, 'fetch'>, origin: string, jar: { cookie: string }): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    for (const [name, value] of Object.entries({ origin, ...jar })) request.headers.set(name, value)
    const answer = await fetch(request)
    for (const set of answer.headers.getSetCookie()) jar.cookie = set.slice(0, set.indexOf(';'))
    return answer
  }
}

/** A home at a port, and apps that speak to it. */
export interface Doorstep {
  readonly home: Home
  readonly url: string
  /** An app of somebody new, logged in. */
  readonly app: (options?: Partial<ClientOptions>) => Promise<App>
  /** A client of this storage, not asked anything yet. */
  readonly client: (options?: Partial<ClientOptions>) => Pick<App, 'client' | 'line' | 'clock' | 'storage'>
}

/** A client, and what it has. */
export interface App {
  readonly client: Client
  readonly line: Line
  /** Its clock: turned by itself, or with the service's. */
  readonly clock: { now: number }
  readonly storage: ReturnType<typeof openStorage>
  readonly person: Pick<Newcomer, 'email' | 'password'>
  /** Time passes, here and there. */
  readonly pass: (ms: number) => void
}

let people = 0

/** Puts the home at a port of its own. */
export async function openDoorstep(home: Home): Promise<Doorstep> {
  await home.app.listen({ host: '127.0.0.1', port: 0 })
  const url = `http://127.0.0.1:${(home.app.server.address() as AddressInfo).port}`
  const client: Doorstep['client'] = (options = {}) => {
    const [line, clock, storage] = [openLine(), { now: 0 }, openStorage()]
    const own = { baseUrl: url, transport: 'body' as const, storage, fetch: line.fetch, now: () => clock.now }
    return { client: createClient({ ...own, ...options }), line, clock, storage }
  }
  return {
    home,
    url,
    client,
    async app(options) {
      const made = client(options)
      const person = { email: `app-${process.pid}-${(people += 1)}@example.org`, password: PASSWORD }
      await made.client.register(person)
      const pass = (ms: number) => {
        made.clock.now += ms
        home.clock.advance(ms)
      }
      return { ...made, person, pass }
    },
  }
}
