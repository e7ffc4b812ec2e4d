import type { Locks } from './turns.js'

/** Where an app keeps its refresh token: Keychain, Keystore, or whatever no other app reads. */
export interface TokenStorage {
  get(): Promise<string | null>
  /** Resolves when the token is kept, also through a crash; null: nothing is. */
  set(value: string | null): Promise<void>
}

/** How a client is made. */
export interface ClientOptions {
  /** Where the service is: `https://auth.example.org`, or `/` for the page's own origin. */
  readonly baseUrl: string
  /** Where the refresh token lives: in a cookie that no script reads, or in `storage`. */
  readonly transport: 'cookie' | 'body'
  /** Only with `body`. */
  readonly storage?: TokenStorage
  /** Other origins that `fetch` shows the access token to; baseUrl's is always one. */
  readonly origins?: readonly string[]
  /** Unless told, the one that is there. */
  readonly fetch?: typeof globalThis.fetch
  /** Unless told, `navigator.locks` of a browser. */
  readonly locks?: Locks
  /** A clock that never jumps, in ms; unless told, `performance.now`. */
  readonly now?: () => number
}

/** The same, with what was not told; baseUrl ends in a slash. */
export interface Settings extends Required<Omit<ClientOptions, 'storage' | 'locks'>> {
  readonly storage?: TokenStorage | undefined
  readonly locks?: Locks | false | undefined
  /** Only in a browser's tabs, which share the cookie: in a process of Node each client is somebody else's. */
  readonly hasTabs: boolean
}

/** Throws a TypeError for a transport without its place. */
export function settle(options: ClientOptions): Settings {
  const isTab = 'location' in globalThis
  const { transport, storage } = options
  if ((transport === 'body') !== Boolean(storage)) throw new TypeError('body takes a storage')
  return {
    locks: isTab && navigator.locks,
    origins: [],
    fetch: (...request) => fetch(...request),
    now: () => performance.now(),
    ...options,
    baseUrl: options.baseUrl.replace(/\/?$/, '/'),
    hasTabs: isTab && !storage && 'BroadcastChannel' in globalThis,
  }
}

/** An address as the page would find it. */
export function resolve(url: string, base = globalThis.location?.href): URL {
  return new URL(url, base)
}
