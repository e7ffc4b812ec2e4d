/** What time it is by the clock that all instances share, in ms since the epoch, and when that was set, as far as this instance can tell. */
export interface Moment {
  readonly now: number
  /** What each of our own clocks tells of that. */
  readonly histories: readonly History[]
}

/** The settings of the shared clock by one of our own, the latest first. When that one is set, it looks as if the shared one had been. */
export type History = readonly Setting[]

/** The clock said `from` and, in the same moment, `to`. */
export interface Setting {
  readonly from: number
  readonly to: number
}

/**
 * How many ms ago the shared clock said `at`. A time of before it was set is counted as if nobody had set it, as far as all
 * our clocks agree on that; where it may be of before or after, the shorter one counts. Below 0: of a clock that is ahead of ours.
 */
export function since(at: number, { now, histories }: Moment): number {
  if (histories.length === 0) return now - at
  const ages = histories.map((history) => sinceBy(history, at, now))
  return Math.min(Math.max(now - at, Math.min(...ages)), Math.max(...ages))
}

/** All instances know of a setting by then. */
const NOTICED_MS = 5000

/** Whether every instance has noticed by now how the clock was last set. */
export function isSettled({ now, histories }: Moment): boolean {
  return histories.every(([latest]) => latest === undefined || now - latest.to >= NOTICED_MS)
}

/** The clocks of two instances may differ by as much in what they take for the moment of a setting. */
const ERROR_MS = 100

function sinceBy(history: History, at: number, now: number): number {
  let [reading, until, age] = [now, Infinity, -Infinity]
  for (const { from, to } of [...history, { from: 0, to: -Infinity }]) {
    if (at >= to - ERROR_MS && at <= until) age = likelier(age, reading - at)
    reading += from - to // what the clock would say now if it had not been set then
    until = Math.max(from, to)
  }
  return age
}

/** The shorter of two ages; one below 0 only if both are. */
function likelier(one: number, other: number): number {
  return Math.min(one, other) < 0 ? Math.max(one, other) : Math.min(one, other)
}
