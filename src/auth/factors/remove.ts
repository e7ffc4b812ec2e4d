import type { Deps } from '../../deps.ts'
import { type AccessClaims, sessionOf } from '../../domain/access-token.ts'
import type { Caller } from '../../domain/caller.ts'
import { type Factor, type Factors, isLast, provable, withFactors } from '../../domain/factors.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put } from '../../store/store.ts'
import { demandFresh } from '../credentials/fresh.ts'
import { carryOut, type Deed, vouchFor } from '../deed.ts'
import { notice } from '../mail/notices.ts'
import { readOwner, readOwnSession, readSessionsToEnd } from '../sessions/read.ts'
import { endWrites, nextGeneration } from '../sessions/session-writes.ts'
import { untilWon } from '../until-won.ts'

/** What removing a factor comes to. `absent`: there is none; `last`: one is required, and this is the last. */
export type FactorRemoved = 'removed' | 'absent' | 'last' | 'over'

/** Removes the authenticator app. Throws StepUpRequired. */
export async function removeTotp(deps: Deps, claims: AccessClaims, caller: Caller): Promise<FactorRemoved> {
  return remove(deps, claims, 'totp', ({ totp, ...rest }) => (totp === undefined ? null : rest), caller)
}

/** Removes a passkey. Throws StepUpRequired. */
export async function removePasskey(
  deps: Deps,
  claims: AccessClaims,
  passkeyId: string,
  caller: Caller,
): Promise<FactorRemoved> {
  const without = (factors: Factors) => {
    const passkeys = factors.passkeys.filter(({ id }) => id !== passkeyId)
    return passkeys.length < factors.passkeys.length ? { ...factors, passkeys } : null
  }
  return remove(deps, claims, 'passkey', without, caller)
}

async function remove(
  deps: Deps,
  claims: AccessClaims,
  factor: Factor,
  without: (factors: Factors) => Factors | null,
  caller: Caller,
): Promise<FactorRemoved> {
  const { userId, sessionId } = sessionOf(claims)
  return untilWon<FactorRemoved>(async () => {
    const own = await readOwnSession(deps, { userId, sessionId })
    if (own === null) return 'over'
    const { user, session } = own
    demandFresh(deps, user.value, claims)
    const factors = user.value.factors && without(user.value.factors)
    if (!factors) return (await vouchFor(deps, user)) ? 'absent' : null
    if (isLast(factors) && deps.config.SECOND_FACTOR === 'required') return 'last'
    const next = withFactors(user.value, factors)
    const deed = {
      checks: [user, session],
      puts: [put(keys.user(userId), next, null)],
      deletes: [keys.pendingTotp(userId), keys.answered(userId, 'totp')],
      events: [{ event: 'factor.removed', user_id: userId, session_id: sessionId, factor } as const],
      mails: notice(deps, next, 'factor-removed', caller),
    }
    return (await carryOut(deps, deed, caller)) ? 'removed' : null
  })
}

/**
 * Removes all factors of somebody who has lost them, for the operator: a password lets in again, all sessions end, and the owner is
 * told. Again: nothing more happens. False: there is no such user.
 */
export async function removeAllFactors(deps: Deps, userId: string, caller: Caller): Promise<boolean> {
  const done = await untilWon(async () => {
    const user = await readOwner(deps, userId)
    if (user === null) return 'unknown'
    if (user.value.factors === undefined) return (await vouchFor(deps, user)) ? 'removed' : null
    const deed = await removalOfAll(deps, user, caller)
    return (await carryOut(deps, deed, caller)) ? 'removed' : null
  })
  return done === 'removed'
}

async function removalOfAll(deps: Deps, user: Entry<User>, caller: Caller): Promise<Deed> {
  const { id: userId, factors } = user.value
  const ended = endWrites(deps, await readSessionsToEnd(deps, user.value), 'factor_changed')
  const { next, denial } = nextGeneration(deps, withFactors(user.value, null))
  const removed = (factor: Factor) => ({ event: 'factor.removed', user_id: userId, session_id: null, factor }) as const
  return {
    checks: [user],
    puts: [put(user.key, { ...next, sessions: [] }, null), denial, ...ended.puts],
    deletes: [keys.pendingTotp(userId), keys.answered(userId, 'totp'), ...ended.deletes],
    events: [...ended.events, ...provable(factors).map(removed)],
    mails: notice(deps, next, 'factor-removed', caller),
  }
}
