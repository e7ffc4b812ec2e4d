/** What time it is by the clock that all instances share, in ms since the epoch, and when that was set, as far as this instance has seen it. */
export interface Moment {
  readonly now: number
  /** The latest first. */
  readonly settings: readonly Setting[]
}

/** The clock said `from` and, in the same moment, `to`: somebody has set it. */
export interface Setting {
  readonly from: number
  readonly to: number
}

/**
 * How many ms ago the shared clock said `at`. A time of before the clock was set is counted as if nobody had set it; where
 * it may be of before or after, the shorter one counts. Below 0: a time to come, of a clock that is ahead of ours.
 */
export function since(at: number, { now, settings }: Moment): number {
  let [age, reading] = [now - at, now]
  for (const { from, to } of settings) {
    reading += from - to
    if (at < Math.max(from, to)) age = age < 0 ? reading - at : Math.min(age, reading - at)
  }
  return age
}
