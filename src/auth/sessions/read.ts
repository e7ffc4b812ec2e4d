import type { Deps } from '../../deps.ts'
import { isSame } from '../../domain/auth-secret.ts'
import type { RefreshClaim } from '../../domain/refresh-token.ts'
import { type Session, type SessionName, type SessionRecord, underIdentity, whyOver } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import type { Entry } from '../../store/store.ts'
import { demandIdentity } from '../keys/store-identity.ts'
import { readInPieces } from '../read-in-pieces.ts'

// All reads of sessions that decide about a client, in one place: here a session from before everything was revoked is over.

/** A user id, and the ids of sessions of that user. */
export type Listed = Pick<User, 'id' | 'sessions'>

/** Reads the live sessions of a user, oldest first. */
export async function readLiveSessions(deps: Deps, user: Listed): Promise<Session[]> {
  const entries = await readUnendedEntries(deps, user)
  return entries.map(({ value }) => value).filter((session) => whyOver(session, deps.moment()) === null)
}

/** Counts the live sessions of each of these users, in few reads. */
export async function countLiveSessions(deps: Deps, users: readonly Listed[]): Promise<number[]> {
  const names = users.flatMap(({ id, sessions }) => sessions.map((sessionId) => keys.session(id, sessionId)))
  const counts = new Map<string, number>()
  for (const found of await readInPieces(deps.store, names)) {
    const entry = asItCounts(deps, found)
    if (!isUnended(entry) || whyOver(entry.value, deps.moment()) !== null) continue
    counts.set(entry.value.userId, (counts.get(entry.value.userId) ?? 0) + 1)
  }
  return users.map(({ id }) => counts.get(id) ?? 0)
}

/** Reads the sessions that nobody has ended: the live ones, and those that have timed out but may still have live access tokens. */
export async function readUnendedEntries(deps: Deps, user: Listed): Promise<Entry<Session>[]> {
  return (await readEntries(deps, user)).map((entry) => asItCounts(deps, entry)).filter(isUnended)
}

/** Reads the sessions that end when all of the user's do: also one that an instance with newer keys than ours has opened. */
export async function readSessionsToEnd(deps: Deps, user: Listed): Promise<Session[]> {
  return (await readEntries(deps, user)).filter(isUnended).map(({ value }) => value)
}

async function readEntries({ store }: Deps, { id, sessions }: Listed): Promise<(Entry<SessionRecord> | null)[]> {
  return store.getMany(sessions.map((sessionId) => keys.session(id, sessionId)))
}

function isUnended(entry: Entry<SessionRecord> | null): entry is Entry<Session> {
  return entry?.value.kind === 'live'
}

/** The entry of a session as it counts under the store's identity of now (see underIdentity). */
export function asItCounts({ keyring }: Deps, entry: Entry<SessionRecord> | null): Entry<SessionRecord> | null {
  return entry && { ...entry, value: underIdentity(entry.value, keyring.identity()) }
}

/** Reads the user for a commit that ends sessions; null: gone. Throws StoreUnavailable unless the store is that of our keys. */
export async function readOwner(deps: Deps, userId: string): Promise<Entry<User> | null> {
  const [identity, user] = await deps.store.getMany([keys.identity, keys.user(userId)])
  demandIdentity(deps, identity, deps.keyring.identity())
  return user
}

/** A session and its user, read at once; null: gone. */
export interface SessionAndUser {
  readonly session: Entry<SessionRecord> | null
  readonly user: Entry<User> | null
}

/** A live session, and its user. */
export interface OwnSession {
  readonly session: Entry<Session>
  readonly user: Entry<User>
}

/** The caller's session, to be answered with tokens. */
export function bearerOf({ session, user }: OwnSession): { readonly session: Session; readonly user: User } {
  return { session: session.value, user: user.value }
}

/** Reads the session of an access token, and its user, at once; null: the session is over. */
export async function readOwnSession(deps: Deps, { userId, sessionId }: SessionName): Promise<OwnSession | null> {
  const places = [keys.identity, keys.user(userId), keys.session(userId, sessionId)] as const
  const [identity, user, entry] = await deps.store.getMany(places)
  demandIdentity(deps, identity, deps.keyring.identity())
  const session = asItCounts(deps, entry)
  if (user === null || session === null || whyOver(session.value, deps.moment()) !== null) return null
  return { session: session as Entry<Session>, user }
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
