import type { FastifyRequest } from 'fastify'
import type { GuessGuard } from '../../../auth/credentials/password.ts'
import type { Edge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../typed-app.ts'

type Outcome = { readonly kind: string }

/**
 * Runs what asks a caller who is logged in for the password again. A wrong one counts for the session and is refused 403,
 * not 401, or clients would refresh and retry; a caller whose account or session has just gone is refused 401.
 */
export async function guardPassword<T extends Outcome>(
  { deps, limits }: Edge,
  request: FastifyRequest,
  attempt: (guard: GuessGuard) => Promise<T>,
): Promise<Exclude<T, { kind: 'wrong' } | { kind: 'over' }>> {
  const { claims } = request.token
  const guesses = limits.behindToken(request, claims)
  await guesses.guard()
  const outcome = await attempt(guesses.guard)
  if (outcome.kind === 'over') throw new Problem('token_revoked')
  if (outcome.kind === 'wrong') {
    deps.record('password.refused', { user_id: claims.sub, session_id: claims.sid }, callerOf(request))
    await guesses.fail()
    throw new Problem('wrong_password')
  }
  return outcome as Exclude<T, { kind: 'wrong' } | { kind: 'over' }>
}
