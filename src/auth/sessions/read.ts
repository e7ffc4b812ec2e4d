import type { Deps } from '../../deps.ts'
import { isSame } from '../../domain/auth-secret.ts'
import type { RefreshClaim } from '../../domain/refresh-token.ts'
import { type Session, type SessionRecord, underIdentity, whyOver } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import type { Entry } from '../../store/store.ts'
import { demandIdentity } from '../keys/store-identity.ts'

// All reads of sessions that decide about a client, in one place: here a session from before everything was revoked is over.

/** A user id, and the ids of sessions of that user. */
export type Listed = Pick<User, 'id' | 'sessions'>

/** Reads the live sessions of a user, oldest first. */
export async function readLiveSessions(deps: Deps, user: Listed): Promise<Session[]> {
  const sessions = await readUnendedSessions(deps, user)
  return sessions.filter((session) => whyOver(session, deps.moment()) === null)
}

/** Reads the sessions that nobody has ended: the live ones, and those that have timed out but may still have live access tokens. */
export async function readUnendedSessions(deps: Deps, user: Listed): Promise<Session[]> {
  return (await readUnendedEntries(deps, user)).map(({ value }) => value)
}

/** Reads the same sessions, with the versions that a commit can check. */
export async function readUnendedEntries(deps: Deps, { id, sessions }: Listed): Promise<Entry<Session>[]> {
  const entries = await deps.store.getMany(sessions.map((sessionId) => keys.session(id, sessionId)))
  return entries.map((entry) => asItCounts(deps, entry)).filter(isUnended)
}

function isUnended(entry: Entry<SessionRecord> | null): entry is Entry<Session> {
  return entry?.value.kind === 'live'
}

/** The entry of a session as it counts under the store's identity of now (see underIdentity). */
export function asItCounts({ keyring }: Deps, entry: Entry<SessionRecord> | null): Entry<SessionRecord> | null {
  return entry && { ...entry, value: underIdentity(entry.value, keyring.identity()) }
}

/** A session and its user, read at once; null: gone. */
export interface SessionAndUser {
  readonly session: Entry<SessionRecord> | null
  readonly user: Entry<User> | null
}

/** Reads the session of a refresh token, and its user; no session if its secret is not the one of the token. */
export async function readSessionAndUser(
  deps: Deps,
  { userId, sessionId, secret }: RefreshClaim,
): Promise<SessionAndUser> {
  const places = [keys.identity, keys.session(userId, sessionId), keys.user(userId)] as const
  const [identity, entry, user] = await deps.store.getMany(places)
  demandIdentity(deps, identity, deps.keyring.identity())
  const isOfToken = entry !== null && isSame(Buffer.from(entry.value.secret), Buffer.from(secret))
  return { session: isOfToken ? asItCounts(deps, entry) : null, user }
}
