import type { PersonToken } from '../../auth/tokens/signed-tokens.ts'
import type { Deps } from '../../deps.ts'
import { isFresh } from '../../domain/access-token.ts'
import { Problem } from '../problems.ts'

/**
 * Throws Problem `step_up_required` unless the person has proved within STEP_UP_AGE who they are. No 401, at which clients would
 * refresh and try again.
 */
export function demandFresh({ clock, config: { STEP_UP_AGE } }: Deps, { claims }: PersonToken): void {
  if (!isFresh(claims, clock(), STEP_UP_AGE))
    throw new Problem('step_up_required', { maxAge: Math.floor(STEP_UP_AGE / 1000), factors: [] })
}
