import type { Count, UsedUp } from '../store.ts'

/** How much has been counted under a key, and when the window ends (ms since the epoch). */
export interface Tally {
  readonly count: number
  readonly until: number
}

/** Where an adapter keeps its tallies; one whose window has ended may still be there. */
export interface Tallies {
  get(key: string): Tally | undefined
  set(key: string, tally: Tally): void
}

/** Counts as `count` of the port promises, on tallies that nobody else changes meanwhile. */
export function countIn(tallies: Tallies, { counters, adds }: Count, now: number): UsedUp | null {
  const found = counters.map(({ key, windowMs }) => {
    const tally = tallies.get(key)
    // A window that would end later than one begun now was begun before the clock was set back.
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
 * Makes tallies in memory, at most `most`. A tally is forgotten only after `most / 2` others were counted, each by a request
 * that was let through: making the service forget a count costs more than the count would have stopped.
 */
export function memoryTallies(most: number): Tallies {
  // Two halves: a Map whose first entry is deleted again and again takes ever longer to find the next.
  let [young, old] = [new Map<string, Tally>(), new Map<string, Tally>()]
  return {
    get: (key) => young.get(key) ?? old.get(key),
    set(key, tally) {
      if (young.size >= most / 2 && !young.has(key)) [young, old] = [new Map(), young]
      young.set(key, tally)
    },
  }
}
