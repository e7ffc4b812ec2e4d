import type { Deps } from '../../deps.ts'
import { isFresh } from '../../domain/access-token.ts'
import { provable } from '../../domain/factors.ts'
import type { SessionName } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import { StepUpRequired } from '../errors.ts'

/** What an access token says of the proofs in its session: when the last one was, and how much they come to together. */
export type Proven = Parameters<typeof isFresh>[0] & { readonly acr: string }

/** Who asks: by which session, and what the token says of it. */
export interface Asker {
  readonly self: SessionName
  readonly claims: Proven
}

/**
 * Throws StepUpRequired unless the person has proven within STEP_UP_AGE who they are, by a second factor if they have one. It goes by
 * the token that asks, and by the record that its commit checks: a stolen token of an old login changes nothing that matters.
 */
export function demandFresh({ clock, config: { STEP_UP_AGE } }: Deps, { factors }: User, proven: Proven): void {
  const isEnough = factors === undefined || proven.acr === 'aal2'
  if (isEnough && isFresh(proven, clock(), STEP_UP_AGE)) return
  throw new StepUpRequired(STEP_UP_AGE, provable(factors))
}

/** As `demandFresh`, but only of somebody with a second factor: the others are asked for their password. */
export function demandFreshIfEnrolled(deps: Deps, user: User, proven: Proven): void {
  if (user.factors !== undefined) demandFresh(deps, user, proven)
}
