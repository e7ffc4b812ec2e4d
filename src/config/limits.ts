import { z } from 'zod'
import { MAX_DURATION_MS, readDuration, UNITS } from './durations.ts'

/** At most `count` in each `windowMs`. */
export interface Limit {
  readonly count: number
  readonly windowMs: number
}

/** A variable that holds a limit, like `30/1m`. */
export const limit = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .transform((text): Limit => {
      const [count = '', ...window] = text.split('/')
      return { count: /^\d{1,9}$/.test(count) ? Number(count) : NaN, windowMs: readDuration(window.join('/')) }
    })
    .refine(
      ({ count, windowMs }) => count >= 1 && windowMs >= UNITS.s && windowMs <= MAX_DURATION_MS,
      'must be a count and a window like 30/1m',
    )
