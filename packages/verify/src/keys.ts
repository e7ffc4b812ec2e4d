import { Unknown } from './errors.ts'
import type { Key } from './jwks.ts'
import { isWithin, type KeyFetches } from './key-fetches.ts'

/** The keys that the issuer publishes. */
export interface Keys {
  /** The key of this name; undefined: the issuer has none. Throws Unknown where nobody can know. */
  readonly find: (kid: string) => Promise<Key | undefined>
  /** Fetches the keys unless they are there and fresh. Throws Unknown if there are none that may be used. */
  readonly load: () => Promise<void>
  readonly status: () => KeysStatus
}

export interface KeysStatus {
  /** How many keys are known. */
  readonly keys: number
  /** When they were fetched, in ms since the epoch; null: never. */
  readonly fetchedAt: number | null
  /** Why the last fetch failed; null: it did not. */
  readonly fault: string | null
}

/** How long keys may be used after they were fetched, if they cannot be fetched again. */
const STALE_MS = 3_600_000

/** Finds keys among those that were fetched, and has them fetched again when they are old, or one is not among them. */
export function makeKeys({ last, fault, refresh, pause, pauseLeftMs }: KeyFetches, clock: () => number): Keys {
  const isYoungerThan = (ms: number) => isWithin(ms, last().at, clock())

  async function load(): Promise<void> {
    if (isYoungerThan(last().maxAgeMs)) return
    if (fault() !== null && isYoungerThan(STALE_MS)) void refresh() // nobody waits for an issuer that is away
    else await refresh()
    if (!isYoungerThan(STALE_MS)) throw unknown()
  }

  async function find(kid: string): Promise<Key | undefined> {
    const before = last()
    await load()
    if (last() === before && !before.keys.has(kid)) await refresh()
    const key = last().keys.get(kid)
    if (key !== undefined) return key
    if (fault() !== null) throw unknown()
    pause()
    return undefined
  }

  function unknown(): Unknown {
    const retryAfter = Math.max(1, Math.ceil(pauseLeftMs() / 1000))
    return new Unknown('the keys of the issuer are not known', { retryAfter, cause: fault() })
  }

  function status(): KeysStatus {
    const { keys, at } = last()
    return { keys: keys.size, fetchedAt: keys.size === 0 ? null : at, fault: fault()?.message ?? null }
  }

  return { find, load, status }
}
