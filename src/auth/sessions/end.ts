import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { type EndReason, type SessionName, wasEnded, whyOver } from '../../domain/session.ts'
import { keys } from '../../store/keys.ts'
import { put, unchanged } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import { untilWon } from '../until-won.ts'
import { asItCounts, readOwner, readSessionsToEnd } from './read.ts'
import { putSessionDenial, endWrites, nextGeneration } from './session-writes.ts'

/** Which session is to end, and why. `isVouched`: a verified token names it, so it is denied even if the store has lost it. */
export interface SessionToEnd extends SessionName {
  readonly reason: EndReason
  readonly isVouched: boolean
}

/** Ends one session: from now on its tokens are refused. Returns whether the session was alive. */
export async function endSession(
  deps: Deps,
  { userId, sessionId, reason, isVouched }: SessionToEnd,
  caller: Caller,
): Promise<boolean> {
  const key = keys.session(userId, sessionId)
  return untilWon(async () => {
    const entry = asItCounts(deps, await deps.store.get(key))
    const isAlive = entry !== null && whyOver(entry.value, deps.moment()) === null
    const isToBeDenied = isAlive || isVouched || (entry !== null && wasEnded(entry.value))
    if (!isToBeDenied) return false
    const sessions = entry?.value.kind === 'live' ? [entry.value] : []
    const { puts, events } = endWrites(deps, sessions, reason)
    const deed = {
      checks: [unchanged(key, entry)],
      // A session that has ended is denied once more: its end may be written, but not yet be safe with a replica.
      puts: sessions.length > 0 ? puts : [putSessionDenial(deps, userId, sessionId)],
      deletes: [keys.sessionData(userId, sessionId)],
      events,
    }
    return (await carryOut(deps, deed, caller)) ? isAlive : null
  })
}

/** Ends all sessions of a user, in one commit; but for the session `keep`, if there is one. False: there is no such user. */
export async function endSessions(
  deps: Deps,
  { userId, keep, reason }: { userId: string; keep: string | null; reason: EndReason },
  caller: Caller,
): Promise<boolean> {
  const done = await untilWon(async () => {
    const user = await readOwner(deps, userId)
    if (user === null) return 'gone'
    const ended = (await readSessionsToEnd(deps, user.value)).filter((session) => session.id !== keep)
    const { puts, deletes, events } = endWrites(deps, ended, reason)
    const { next, denial } = nextGeneration(deps, user.value)
    const sessions = user.value.sessions.filter((id) => id === keep)
    // The user is always written, so that a login under way loses its race and decides again.
    const written = put(keys.user(userId), { ...(keep === null ? next : user.value), sessions }, null)
    const writes = [written, ...puts, ...(keep === null ? [denial] : [])]
    return (await carryOut(deps, { checks: [user], puts: writes, deletes, events }, caller)) ? 'ended' : null
  })
  return done === 'ended'
}
