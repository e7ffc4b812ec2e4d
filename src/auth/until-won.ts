import { setTimeout as wait } from 'node:timers/promises'
import { Busy } from './errors.ts'

const TRIES = 200

/**
 * Runs an attempt to read, decide and commit until it wins its race; after a lost one (null) it reads and decides again. Throws
 * Busy after TRIES.
 */
export async function untilWon<T>(attempt: () => Promise<T | null>): Promise<T> {
  for (let lost = 0; lost < TRIES; lost += 1) {
    const result = await attempt()
    if (result !== null) return result
    if (lost > 2) await wait(Math.random() * Math.min(lost, 20))
  }
  throw new Busy()
}
