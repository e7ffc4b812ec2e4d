import type { Deps } from '../../deps.ts'
import { isSame } from '../../domain/auth-secret.ts'
import type { RefreshClaim } from '../../domain/refresh-token.ts'
import { type Session, type SessionRecord, underIdentity, whyOver } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import type { Entry } from '../../store/store.ts'
import { demandIdentity } from '../keys/identity.ts'

// Whoever reads a session reads it here: one of before everything was revoked is over.

/** Whose sessions, and which. */
export type Listed = Pick<User, 'id' | 'sessions'>

/** The user's live sessions, oldest first. */
export async function liveSessions(deps: Deps, user: Listed): Promise<Session[]> {
  const sessions = await unendedSessions(deps, user)
  return sessions.filter((session) => whyOver(session, deps.moment()) === null)
}

/** The sessions nobody has ended: the live ones, and those that have timed out but may have access tokens left. */
export async function unendedSessions(deps: Deps, user: Listed): Promise<Session[]> {
  return (await unendedEntries(deps, user)).map(({ value }) => value)
}

/** The same, as they were read. */
export async function unendedEntries(deps: Deps, { id, sessions }: Listed): Promise<Entry<Session>[]> {
  const entries = await deps.store.getMany(sessions.map((sessionId) => keys.session(id, sessionId)))
  return entries.map((entry) => asOurs(deps, entry)).filter(isUnended)
}

function isUnended(entry: Entry<SessionRecord> | null): entry is Entry<Session> {
  return entry?.value.kind === 'live'
}

/** A session's record as it counts now. */
export function asOurs({ keyring }: Deps, entry: Entry<SessionRecord> | null): Entry<SessionRecord> | null {
  return entry && { ...entry, value: underIdentity(entry.value, keyring.identity()) }
}

/** A session and its user, by one read; null: gone. */
export interface Owned {
  readonly session: Entry<SessionRecord> | null
  readonly user: Entry<User> | null
}

/** The session that the token belongs to, and its user; no session if the token is not of its making. */
export async function readOwned(deps: Deps, { userId, sessionId, secret }: RefreshClaim): Promise<Owned> {
  const places = [keys.identity, keys.session(userId, sessionId), keys.user(userId)] as const
  const [identity, entry, user] = await deps.store.getMany(places)
  demandIdentity(deps, identity, deps.keyring.identity())
  const isOfToken = entry !== null && isSame(Buffer.from(entry.value.secret), Buffer.from(secret))
  return { session: isOfToken ? asOurs(deps, entry) : null, user }
}
