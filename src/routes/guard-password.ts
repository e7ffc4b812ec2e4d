import type { FastifyRequest } from 'fastify'
import { readUser } from '../auth/accounts.ts'
import { callerOf } from '../plugins/app.ts'
import type { GuessGuard } from '../auth/password-check.ts'
import { Problem } from '../problems.ts'
import type { Edge } from './edge.ts'

type Outcome = { readonly kind: string }

/**
 * Runs what asks a caller who is logged in for the password again. A wrong one counts as a failed login does and is
 * refused 403, not 401, or clients would refresh and retry; a caller whose account or session has just gone is refused 401.
 */
export async function guardPassword<T extends Outcome>(
  { deps, limits }: Edge,
  request: FastifyRequest,
  attempt: (guard: GuessGuard) => Promise<T>,
): Promise<Exclude<T, { kind: 'wrong' } | { kind: 'over' }>> {
  const { sub, sid } = request.token.claims
  const user = await readUser(deps, sub)
  if (user === null) throw new Problem('token_revoked')
  const { guard, fail } = limits.guesses(request, user.emailKey, user)
  await guard()
  const outcome = await attempt(guard)
  if (outcome.kind === 'over') throw new Problem('token_revoked')
  if (outcome.kind === 'wrong') {
    deps.record('password.refused', { user_id: sub, session_id: sid }, callerOf(request))
    await fail()
    throw new Problem('wrong_password')
  }
  return outcome as Exclude<T, { kind: 'wrong' } | { kind: 'over' }>
}
