import * as z from 'zod'
import { LEAST_LIFETIME_MS, MOST_DURATION_MS, readDuration } from './durations.ts'
import { readCount } from './variable-kinds.ts'

/** A limit: at most `count` in each window of `windowMs`. */
export interface Limit {
  readonly count: number
  readonly windowMs: number
}

/** The schema of a variable that holds a limit, like `30/1m`. */
export const limit = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .transform((text): Limit => {
      const [count = '', ...window] = text.split('/')
      return { count: readCount(count), windowMs: readDuration(window.join('/')) }
    })
    .refine(
      ({ count, windowMs }) => count >= 1 && windowMs >= LEAST_LIFETIME_MS && windowMs <= MOST_DURATION_MS,
      'must be a count and a window like 30/1m',
    )
