import * as z from 'zod'
import { readCount } from './variable-kinds.ts'

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
/** The shortest lifetime and the shortest window of a limit, in ms. */
export const LEAST_LIFETIME_MS = UNITS.s
/** The longest duration, in ms: ten years. */
export const MOST_DURATION_MS = 3650 * UNITS.d

/** Reads a text like `500ms`, `10s`, `5m`, `24h` or `14d` as ms; NaN: it is no duration. */
export function readDuration(text: string): number {
  const [, count = '', unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? []
  return readCount(count) * UNITS[unit as keyof typeof UNITS]
}

/** The schema of a variable that holds a duration, in ms; where it has a fault the value is NaN. */
export const duration = (fallback: string, least = 0, most = MOST_DURATION_MS) =>
  z
    .string()
    .default(fallback)
    .transform(readDuration)
    .transform((ms) => (ms >= least && ms <= most ? ms : NaN))
    .refine(
      (ms) => !Number.isNaN(ms),
      `must be a duration like 500ms, 10s, 5m, 24h or 14d, from ${least}ms to ${most / UNITS.h}h`,
    )

/** The schema of a variable that holds a duration of at least a second, in ms. */
export const lifetime = (fallback: string, most = MOST_DURATION_MS) => duration(fallback, LEAST_LIFETIME_MS, most)
