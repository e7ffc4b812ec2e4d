/** Choices that a seed repeats. */
export type Random = {
  /** A whole number from `least` up to, not including, `most`. */
  readonly between: (least: number, most: number) => number
  readonly chance: (probability: number) => boolean
  /** Undefined for an empty list. */
  readonly pick: <T>(list: readonly T[]) => T | undefined
}

/** Makes a stream of choices; another `stream` of the same seed is another stream (mulberry32). */
export function makeRandom(seed: number, stream = 0): Random {
  let state = (seed ^ Math.imul(stream + 1, 0x9e3779b9)) >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (least: number, most: number) => Math.floor(least + next() * (most - least))
  return { between, chance: (probability) => next() < probability, pick: (list) => list[between(0, list.length)] }
}
