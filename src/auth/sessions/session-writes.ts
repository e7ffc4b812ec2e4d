import type { Deps } from '../../deps.ts'
import { deniedUntil } from '../../domain/revocation.ts'
import { deadline, type EndedSession, type EndReason, rememberedUntil, type Session } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import type { SecurityEvent } from '../../events/security-events.ts'
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

/** What ends sessions, as part of a deed. */
export interface Endings {
  readonly puts: readonly Put[]
  readonly deletes: readonly string[]
  readonly events: readonly SecurityEvent[]
}

/** The end of sessions: the reason is kept, access tokens are denied, the session's data goes. It wins over any refresh under way. */
export function endings(deps: Deps, sessions: readonly Session[], reason: EndReason): Endings {
  return {
    puts: sessions.flatMap((session) => [
      putEnded(deps, session, reason),
      denySession(deps, session.userId, session.id),
    ]),
    deletes: sessions.map(({ userId, id }) => keys.sessionData(userId, id)),
    events: sessions.map(({ userId, id }) => ({ event: 'session.ended', user_id: userId, session_id: id, reason })),
  }
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

/** The user one generation on, and the denial of every access token issued until now. */
export function nextGeneration({ config, clock }: Deps, user: User): { next: User; denial: Put } {
  const generation = user.generation + 1
  const denial = put(keys.deniedBelow(user.id), generation, deniedUntil(clock(), config.ACCESS_TTL))
  return { next: { ...user, generation }, denial }
}
