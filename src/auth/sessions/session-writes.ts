import type { Deps } from '../../deps.ts'
import { deniedUntil, generationAfter } from '../../domain/revocation.ts'
import { deadline, type EndedSession, type EndReason, rememberedUntil, type Session } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import type { SecurityEvent } from '../../events/security-events.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, type Extension, put, type Put } from '../../store/store.ts'

// What a commit must write so that sessions, and with them their tokens, begin and end in one step.

/** The write of a live session. */
export function putSession(session: Session): Put {
  return put(keys.session(session.userId, session.id), session, rememberedUntil(session))
}

/** Keeps the data of a session until the session times out. */
export function extendData({ moment }: Deps, session: Session): Extension {
  return { key: keys.sessionData(session.userId, session.id), expiresAt: deadline(session, moment()).at }
}

/** The writes and events by which sessions end, as part of a deed. */
export interface EndWrites {
  readonly puts: readonly Put[]
  readonly deletes: readonly string[]
  readonly events: readonly SecurityEvent[]
}

/**
 * The writes that end sessions: the reason is kept, access tokens are denied, the session's data is deleted. A refresh under
 * way loses its race against them.
 */
export function endWrites(deps: Deps, sessions: readonly Session[], reason: EndReason): EndWrites {
  return {
    puts: sessions.flatMap((session) => [
      putEnded(deps, session, reason),
      putSessionDenial(deps, session.userId, session.id),
    ]),
    deletes: sessions.map(({ userId, id }) => keys.sessionData(userId, id)),
    events: sessions.map(({ userId, id }) => ({ event: 'session.ended', user_id: userId, session_id: id, reason })),
  }
}

/** The writes of sessions that have timed out, and whose access tokens have expired. */
export function timeoutWrites(deps: Deps, sessions: readonly Entry<Session>[]): Put[] {
  return sessions.map(({ value }) => putEnded(deps, value, deadline(value, deps.moment()).reason))
}

/** For how many ms it is remembered that a session was evicted: logins beyond SESSION_MAX may come by the thousand. */
const EVICTED_MS = 86_400_000

function putEnded({ clock }: Deps, session: Session, reason: EndedSession['reason']): Put {
  const { id, userId, secret } = session
  const until = reason === 'evicted' ? clock() + EVICTED_MS : Infinity
  const ended = { kind: 'ended', id, secret, reason } as const
  return put(keys.session(userId, id), ended, Math.min(until, rememberedUntil(session)))
}

/** The write that denies every access token of a session. */
export function putSessionDenial({ config, clock }: Deps, userId: string, sessionId: string): Put {
  return put(keys.deniedSession(userId, sessionId), true, deniedUntil(clock(), config.ACCESS_TTL))
}

/** The user with the next generation, and the write that denies every access token of the generations before. */
export function nextGeneration({ config, clock }: Deps, user: User): { next: User; denial: Put } {
  const generation = generationAfter(user.generation, clock())
  const denial = put(keys.deniedBelow(user.id), generation, deniedUntil(clock(), config.ACCESS_TTL))
  return { next: { ...user, generation }, denial }
}
