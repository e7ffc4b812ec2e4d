import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { SessionName, Transport } from '../../domain/session.ts'
import type { SecurityEvent } from '../../events/security-events.ts'
import { keys } from '../../store/keys.ts'
import { behindToken } from '../credentials/guesses.ts'
import { passwordCheck } from '../credentials/password-check.ts'
import { carryOut } from '../deed.ts'
import { unendedSessions } from '../sessions/read.ts'
import { endings, nextGeneration } from '../sessions/session-writes.ts'
import { untilWon } from '../until-won.ts'
import { releaseAddress } from './email-claims.ts'

export type Removed =
  | { readonly kind: 'ok'; readonly transport: Transport }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'over' }

/** Removes the account with all its sessions and data, and denies its access tokens, in one step. */
export async function removeAccount(deps: Deps, self: SessionName, password: string, caller: Caller): Promise<Removed> {
  const { userId, sessionId } = self
  const guesses = behindToken(deps, self, caller)
  await guesses.guard()
  const isRight = passwordCheck(deps, password)
  const removed = await untilWon(async () => {
    const user = await deps.store.get(keys.user(userId))
    if (user === null) return { kind: 'over' } as const
    if (!(await isRight(user.value.passwordHash))) return guesses.fail({ kind: 'wrong' } as const)
    await guesses.guard()
    const sessions = await unendedSessions(deps, user.value)
    const { puts, deletes, events } = endings(deps, sessions, 'account_deleted')
    const deed = {
      checks: [user],
      puts: [nextGeneration(deps, user.value).denial, ...puts],
      deletes: [keys.user(userId), keys.preferences(userId), ...deletes],
      events: [...events, { event: 'account.deleted', user_id: userId } satisfies SecurityEvent],
    }
    const transport = sessions.find(({ id }) => id === sessionId)?.transport ?? 'body'
    return (await carryOut(deps, deed, caller)) ? { kind: 'ok' as const, user: user.value, transport } : null
  })
  if (removed.kind === 'ok') await releaseAddress(deps, removed.user)
  return removed
}
