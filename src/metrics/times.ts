/** The upper bounds by which durations are counted, in ms. */
const BOUNDS_MS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500]

/** What durations come to: how many were within each bound, in seconds, and how long all of them were. */
export interface Spread {
  readonly within: readonly (readonly [seconds: number, count: number])[]
  readonly count: number
  readonly seconds: number
}

/** Durations of one kind. */
export interface Times {
  readonly add: (ms: number) => void
  readonly read: () => Spread
}

/** Makes an empty collection of durations. To add one costs some comparisons and two additions in a plain array. */
export function makeTimes(): Times {
  const counts = new Float64Array(BOUNDS_MS.length + 1)
  let totalMs = 0
  return {
    add(ms) {
      let place = 0
      while (place < BOUNDS_MS.length && ms > (BOUNDS_MS[place] as number)) place += 1
      counts[place] = (counts[place] as number) + 1
      totalMs += ms
    },
    read() {
      let count = 0
      const within = BOUNDS_MS.map((ms, place) => [ms / 1000, (count += counts[place] as number)] as const)
      return { within, count: count + (counts[BOUNDS_MS.length] as number), seconds: totalMs / 1000 }
    },
  }
}
