import { z } from 'zod'

export const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
export const MAX_DURATION_MS = 3650 * UNITS.d

/** A text like `500ms`, `10s`, `5m`, `24h` or `14d` in ms; NaN if it is none. */
export function readDuration(text: string): number {
  const [, count, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? []
  return count === undefined ? NaN : Number(count) * UNITS[unit as keyof typeof UNITS]
}

/** A variable that holds a duration, in ms. */
export const duration = (fallback: string, least = 0) =>
  z
    .string()
    .default(fallback)
    .transform(readDuration)
    .refine(
      (ms) => ms >= least && ms <= MAX_DURATION_MS,
      `must be a duration like 500ms, 10s, 5m, 24h or 14d, of at least ${least} ms`,
    )

/** A duration of at least a second. */
export const lifetime = (fallback: string) => duration(fallback, UNITS.s)
