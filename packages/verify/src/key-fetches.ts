import { type KeySet, readKeySet } from './jwks.ts'
import type { Requests } from './requests.ts'

/** What was fetched, and when: ms since the epoch. */
export interface Fetched extends KeySet {
  readonly at: number
}

/** The fetches of the JWKS: one at a time, for all who wait. */
export interface KeyFetches {
  /** What the last fetch that succeeded has brought; at first no keys, fetched never. */
  readonly last: () => Fetched
  /** Why the last fetch failed; null: it did not. */
  readonly fault: () => Error | null
  /** Fetches, or waits for the fetch under way; does nothing in a pause. Never rejects: `fault` says whether it failed. */
  readonly refresh: () => Promise<void>
  /** Begins a pause, unless there is one: the last fetch has not brought the key that it was for. */
  readonly pause: () => void
  /** How many ms are left of the pause. */
  readonly pauseLeftMs: () => number
}

const WITHIN_MS = 1500
/** After a fetch that failed, or did not bring the key that it was for, the next one is so much later. */
const PAUSE_MS = 5000

export function makeKeyFetches(url: string, { get }: Requests, clock: () => number): KeyFetches {
  let last: Fetched = { keys: new Map(), maxAgeMs: 0, at: -Infinity }
  let fault: Error | null = null
  let pausedAt = -Infinity
  let fetching: Promise<void> | null = null

  async function fetchKeys(): Promise<void> {
    try {
      last = { ...readKeySet(await get(url, { withinMs: WITHIN_MS }), last), at: clock() }
      fault = null
    } catch (error) {
      fault = error as Error
      pausedAt = clock()
    }
  }

  const pauseLeftMs = () => (isWithin(PAUSE_MS, pausedAt, clock()) ? pausedAt + PAUSE_MS - clock() : 0)

  return {
    last: () => last,
    fault: () => fault,
    async refresh() {
      if (fetching === null && pauseLeftMs() > 0) return
      fetching ??= fetchKeys().finally(() => (fetching = null))
      await fetching
    },
    pause() {
      if (pauseLeftMs() === 0) pausedAt = clock()
    },
    pauseLeftMs,
  }
}

/** Whether `at` is less than `ms` before `now`. On a clock that was set back, nothing is. */
export function isWithin(ms: number, at: number, now: number): boolean {
  return now - at < ms && now >= at
}
