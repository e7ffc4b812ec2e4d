import type { Browser } from '../test/support/chromium.ts'
import type { StoreKind } from './contenders.ts'
import type { Fleet } from './fleet.ts'
import type { Tally } from './tally.ts'

/** One thing that happens to people and servers; each contender goes through the same. */
export interface Scenario {
  readonly letter: string
  readonly name: string
  /** What is done and counted, for the reader of the table. */
  readonly about: string
  /** Only for contenders with such a store. */
  readonly store?: StoreKind
  readonly run: (trial: Trial) => Promise<void>
}

/** One contender in one scenario. */
export interface Trial {
  readonly fleet: Fleet
  readonly tally: Tally
  /** A real Chromium. */
  readonly browser: Browser
  /** The same numbers for each contender, from 0 to 1. */
  readonly random: () => number
  /** Picks by the form: how many people, rounds or milliseconds. */
  readonly size: (quick: number, full: number) => number
}

/** A generator of numbers from a seed: mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Does it `count` times at once. */
export function together<T>(count: number, act: (turn: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, turn) => act(turn)))
}
