import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { deniedUntil } from '../../domain/revocation.ts'
import { deadline, type EndedSession, type EndReason, rememberedUntil, type Session } from '../../domain/session.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, type Extension, put, type Put } from '../../store/store.ts'

// What a commit must write so that sessions begin and end, and their tokens with them, in one step.

/** A live session as it is stored. */
export function putSession(session: Session): Put {
  return put(keys.session(session.userId, session.id), session, rememberedUntil(session))
}

/** The data of a session that was used just now, kept for as long as it lives on. */
export function keepData({ moment }: Deps, session: Session): Extension {
  return { key: keys.sessionData(session.userId, session.id), expiresAt: deadline(session, moment()).at }
}

/** The end of sessions: the reason is kept, access tokens are denied, the session's data goes. It wins over any refresh under way. */
export function endings(
  deps: Deps,
  sessions: readonly Session[],
  reason: EndReason,
): { puts: Put[]; deletes: string[] } {
  const puts = sessions.flatMap((session) => [
    putEnded(deps, session, reason),
    denySession(deps, session.userId, session.id),
  ])
  return { puts, deletes: sessions.map(({ userId, id }) => keys.sessionData(userId, id)) }
}

/** Sessions that have timed out, written down as such. Their access tokens are dead by then. */
export function timeouts(deps: Deps, sessions: readonly Entry<Session>[]): Put[] {
  return sessions.map(({ value }) => putEnded(deps, value, deadline(value, deps.moment()).reason))
}

/** Logins beyond SESSION_MAX may come by the thousand: why they ended is not remembered for months. */
const EVICTED_MS = 86_400_000

function putEnded({ clock }: Deps, session: Session, reason: EndedSession['reason']): Put {
  const { id, userId, secret } = session
  const until = reason === 'evicted' ? clock() + EVICTED_MS : Infinity
  const ended = { kind: 'ended', id, secret, reason } as const
  return put(keys.session(userId, id), ended, Math.min(until, rememberedUntil(session)))
}

/** The denial of every access token of a session. */
export function denySession({ config, clock }: Deps, userId: string, sessionId: string): Put {
  return put(keys.deniedSession(userId, sessionId), true, deniedUntil(clock(), config.ACCESS_TTL))
}

/** The denial of every access token of a user below `generation`. */
export function denyBelow({ config, clock }: Deps, userId: string, generation: number): Put {
  return put(keys.deniedBelow(userId), generation, deniedUntil(clock(), config.ACCESS_TTL))
}

/** One event for each session that has ended. */
export function recordEnds({ record }: Deps, sessions: readonly Session[], reason: EndReason, caller: Caller): void {
  for (const { userId, id } of sessions) record('session.ended', { user_id: userId, session_id: id, reason }, caller)
}
