/**
 * A time by the clock that all instances share, in ms since the epoch, and when that clock was set, as far as this instance
 * knows.
 */
export interface Moment {
  readonly now: number
  /** When the shared clock was set, once as each clock of this instance shows it. */
  readonly histories: readonly History[]
}

/**
 * When the shared clock was set, latest first, as a clock of this instance shows it. If that clock is set, the shared one seems
 * to have been.
 */
export type History = readonly Setting[]

/** The shared clock was set from the time `from` to the time `to`, ms since the epoch. */
export interface Setting {
  readonly from: number
  readonly to: number
}

/**
 * How many ms ago the shared clock said `at`. Setting the clock does not change the answer, as far as all histories agree that
 * it was set. If `at` may be from before or after a setting, the shorter age counts. Below 0: a clock ahead of ours said `at`.
 */
export function since(at: number, { now, histories }: Moment): number {
  if (histories.length === 0) return now - at
  const ages = histories.map((history) => sinceBy(history, at, now))
  return Math.min(Math.max(now - at, Math.min(...ages)), Math.max(...ages))
}

/** By this many ms after a setting, every instance has noticed it. */
const NOTICED_MS = 5000

/** Whether every instance has noticed by now how the clock was last set. */
export function isSettled({ now, histories }: Moment): boolean {
  return histories.every(([latest]) => latest === undefined || now - latest.to >= NOTICED_MS)
}

/** By how many ms two instances may differ about when the clock was set. */
const ERROR_MS = 100

function sinceBy(history: History, at: number, now: number): number {
  let [reading, until, age] = [now, Infinity, -Infinity]
  for (const { from, to } of [...history, { from: 0, to: -Infinity }]) {
    if (at >= to - ERROR_MS && at <= until) age = likelier(age, reading - at)
    reading += from - to // what the clock would say now if it had not been set
    until = Math.max(from, to)
  }
  return age
}

/** The shorter of two ages; one below 0 only if both are. */
function likelier(one: number, other: number): number {
  return Math.min(one, other) < 0 ? Math.max(one, other) : Math.min(one, other)
}
