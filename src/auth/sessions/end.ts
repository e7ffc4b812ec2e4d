import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { type EndReason, type SessionName, wasEnded, whyOver } from '../../domain/session.ts'
import { keys } from '../../store/keys.ts'
import { put, unchanged } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import { untilWon } from '../until-won.ts'
import { asOurs, unendedSessions } from './read.ts'
import { denySession, endings, nextGeneration } from './session-writes.ts'

/** Which session is to end, and why. `isVouched`: a verified token vouches for it, even if the store has lost it. */
export interface Ending extends SessionName {
  readonly reason: EndReason
  readonly isVouched: boolean
}

/** Ends one session: from now on its tokens are refused. Says whether it was alive. */
export async function endSession(
  deps: Deps,
  { userId, sessionId, reason, isVouched }: Ending,
  caller: Caller,
): Promise<boolean> {
  const key = keys.session(userId, sessionId)
  return untilWon(async () => {
    const entry = asOurs(deps, await deps.store.get(key))
    const isAlive = entry !== null && whyOver(entry.value, deps.moment()) === null
    if (!isAlive && !isVouched && !(entry && wasEnded(entry.value))) return false
    const sessions = entry?.value.kind === 'live' ? [entry.value] : []
    const { puts, events } = endings(deps, sessions, reason)
    const deed = {
      checks: [unchanged(key, entry)],
      // What has ended is denied once more: its end may have been written and not yet be safe with a replica.
      puts: sessions.length > 0 ? puts : [denySession(deps, userId, sessionId)],
      deletes: [keys.sessionData(userId, sessionId)],
      events,
    }
    return (await carryOut(deps, deed, caller)) ? isAlive : null
  })
}

/** Ends all of a user's sessions but `keep`, in one step. */
export async function endSessions(
  deps: Deps,
  { userId, keep }: { userId: string; keep: string | null },
  caller: Caller,
): Promise<void> {
  await untilWon(async () => {
    const user = await deps.store.get(keys.user(userId))
    if (user === null) return 'gone'
    const ended = (await unendedSessions(deps, user.value)).filter((session) => session.id !== keep)
    const { puts, deletes, events } = endings(deps, ended, 'logged_out')
    const { next, denial } = nextGeneration(deps, user.value)
    const sessions = user.value.sessions.filter((id) => id === keep)
    // Writing the user makes a login under way decide again.
    const written = put(keys.user(userId), { ...(keep === null ? next : user.value), sessions }, null)
    const writes = [written, ...puts, ...(keep === null ? [denial] : [])]
    return (await carryOut(deps, { checks: [user], puts: writes, deletes, events }, caller)) ? 'ended' : null
  })
}
