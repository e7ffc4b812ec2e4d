import type { Count, UsedUp } from '../store.ts'

/** How much has been counted under a key, and until when that is so (ms since the epoch). */
export interface Tally {
  readonly count: number
  readonly until: number
}

/** Where an adapter keeps its tallies; what is over may still be there. */
export interface Tallies {
  get(key: string): Tally | undefined
  set(key: string, tally: Tally): void
}

/** Counts as the port promises, on tallies that nobody else changes meanwhile. */
export function countIn(tallies: Tallies, { counters, adds }: Count, now: number): UsedUp | null {
  const found = counters.map(({ key, windowMs }) => {
    const tally = tallies.get(key)
    // One that ends beyond its window was begun by a clock that has been set back since.
    const isOn = tally !== undefined && tally.until > now && tally.until <= now + windowMs
    return isOn ? tally : { count: 0, until: now + windowMs }
  })
  const place = found.findIndex(({ count }, index) => count >= (counters[index]?.count ?? 0))
  const usedUp = found[place]
  if (usedUp !== undefined) return { place, leftMs: usedUp.until - now }
  if (adds) counters.forEach(({ key }, index) => tallies.set(key, oneMore(found[index] as Tally)))
  return null
}

function oneMore({ count, until }: Tally): Tally {
  return { count: count + 1, until }
}

/**
 * Tallies in memory, `most` of them or fewer. The oldest make room once half as many others have been counted, each of them
 * by a request that was let through: to be forgotten takes more than to be counted elsewhere.
 */
export function memoryTallies(most: number): Tallies {
  // Two halves, as a Map that gives up one entry at a time takes ever longer to find its first.
  let [young, old] = [new Map<string, Tally>(), new Map<string, Tally>()]
  return {
    get: (key) => young.get(key) ?? old.get(key),
    set(key, tally) {
      if (young.size >= most / 2 && !young.has(key)) [young, old] = [new Map(), young]
      young.set(key, tally)
    },
  }
}
