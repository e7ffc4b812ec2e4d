import type { Deps } from '../../deps.ts'
import { type AccessClaims, sessionOf } from '../../domain/access-token.ts'
import type { Caller } from '../../domain/caller.ts'
import { withFactors } from '../../domain/factors.ts'
import { wasRequested } from '../../domain/recovery-codes.ts'
import { keys } from '../../store/keys.ts'
import { put } from '../../store/store.ts'
import { demandFresh } from '../credentials/fresh.ts'
import { carryOut, vouchFor } from '../deed.ts'
import { notice } from '../mail/notices.ts'
import { readOwnSession } from '../sessions/read.ts'
import { untilWon } from '../until-won.ts'
import { newRecoveryCodes, repeatRecoveryCodes } from './enrol.ts'

/** What asking for recovery codes comes to. `none`: there is no factor that they could stand in for. */
export type CodesRenewed =
  | { readonly kind: 'ok'; readonly codes: readonly string[] }
  | { readonly kind: 'spent' | 'none' | 'over' }

/**
 * Makes ten recovery codes; those of before are dead. The same request again gives the same codes while none is used, and later, or
 * after another request, none. Throws StepUpRequired.
 */
export async function renewRecoveryCodes(
  deps: Deps,
  claims: AccessClaims,
  requestId: string,
  caller: Caller,
): Promise<CodesRenewed> {
  const self = sessionOf(claims)
  return untilWon<CodesRenewed>(async () => {
    const own = await readOwnSession(deps, self)
    if (own === null) return { kind: 'over' }
    const { user } = own
    demandFresh(deps, user.value, claims)
    const { factors } = user.value
    if (factors === undefined) return { kind: 'none' }
    if (wasRequested(factors.recoveryCodes, requestId)) {
      const codes = repeatRecoveryCodes(deps, user.value, requestId)
      if (codes === null) return { kind: 'spent' }
      return (await vouchFor(deps, user)) ? { kind: 'ok', codes } : null
    }
    const { codes, recoveryCodes } = newRecoveryCodes(deps, user.value, requestId)
    const next = withFactors(user.value, { ...factors, recoveryCodes })
    const added = { event: 'factor.added', user_id: self.userId, session_id: self.sessionId } as const
    const deed = {
      checks: [user, own.session],
      puts: [put(keys.user(self.userId), next, null)],
      deletes: [],
      events: [{ ...added, factor: 'recovery_code' as const }],
      mails: notice(deps, next, 'factor-added', caller),
    }
    return (await carryOut(deps, deed, caller)) ? { kind: 'ok', codes } : null
  })
}
