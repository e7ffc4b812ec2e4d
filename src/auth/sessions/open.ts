import type { Deps } from '../../deps.ts'
import type { AuthMethod } from '../../domain/authentication.ts'
import type { Caller } from '../../domain/caller.ts'
import { newId } from '../../domain/id.ts'
import { isLongOver, type Session, type Transport, whyOver } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import type { SecurityEvent } from '../../events/security-events.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import { demandIdentity } from '../keys/identity.ts'
import type { Bearer } from '../tokens/issue.ts'
import { unendedEntries } from './read.ts'
import { endings, putSession, timeouts } from './session-writes.ts'

/** How the client wants its session. */
export interface SessionWish {
  readonly transport: Transport
  readonly remember: boolean
  /** The session that this one replaces, if any: where there are too many, it gives way and no other does. */
  readonly replaces?: string | undefined
}

/** What opens a session: what was proven, the event it is, and what becomes of the user's record with it. */
export interface Opening {
  readonly amr: readonly AuthMethod[]
  readonly event: 'login.succeeded' | 'account.registered'
  readonly change?: Partial<User>
}

/**
 * Opens a session for a user as it was read, and writes the user with it. The oldest live session gives way when there are
 * too many. Null: the user has changed since it was read, decide again.
 */
export async function openSession(
  deps: Deps,
  user: Entry<User>,
  { amr, event, change = {} }: Opening,
  wish: SessionWish,
  caller: Caller,
): Promise<Bearer | null> {
  const store = demandIdentity(deps, await deps.store.get(keys.identity), deps.keyring.identity())
  const session = { ...newSession(deps, user.value, wish, caller), store, amr }
  const { ids, evicted, timedOut } = await makeRoom(deps, user.value, wish.replaces)
  const next: User = { ...user.value, ...change, sessions: [...ids, session.id] }
  const { puts, deletes, events } = endings(deps, evicted, 'evicted')
  const opened: SecurityEvent = { event, user_id: next.id, session_id: session.id }
  const writes = [put(keys.user(next.id), next, null), putSession(session), ...puts, ...timeouts(deps, timedOut)]
  const deed = { checks: [user, ...timedOut], puts: writes, deletes, events: [...events, opened] }
  return (await carryOut(deps, deed, caller)) ? { session, user: next } : null
}

function newSession(
  { config, clock }: Deps,
  user: User,
  { transport, remember }: SessionWish,
  caller: Caller,
): Omit<Session, 'store' | 'amr'> {
  const now = clock()
  return {
    kind: 'live',
    id: newId(),
    userId: user.id,
    secret: newId(),
    transport,
    remember,
    authAt: now,
    counter: 0,
    held: 0,
    spentAt: [],
    late: null,
    changedFrom: 0,
    createdAt: now,
    lastUsedAt: now,
    idleMs: remember ? config.REMEMBER_IDLE : config.SESSION_IDLE,
    absoluteAt: now + (remember ? config.REMEMBER_ABSOLUTE : config.SESSION_ABSOLUTE),
    ip: caller.ip,
    userAgent: caller.userAgent,
  }
}

interface Room {
  /** The list with room for one more. */
  readonly ids: readonly string[]
  /** Live sessions that must go for it. */
  readonly evicted: readonly Session[]
  /** Sessions that leave the list as no token of theirs is alive: a refresh under way must not bring one back outside of it. */
  readonly timedOut: readonly Entry<Session>[]
}

async function makeRoom(deps: Deps, user: User, replaced: string | undefined): Promise<Room> {
  const { SESSION_MAX: max } = deps.config
  if (user.sessions.length < max) return { ids: user.sessions, evicted: [], timedOut: [] }
  const entries = await unendedEntries(deps, user)
  const now = deps.moment()
  const timedOut = entries.filter(({ value }) => isLongOver(value, now, deps.config.ACCESS_TTL))
  const alive = entries.map(({ value }) => value).filter((session) => whyOver(session, now) === null)
  const first = alive.filter(({ id }) => id === replaced)
  const evicted = [...new Set([...first, ...alive])].slice(0, Math.max(0, alive.length - max + 1))
  const gone = new Set([...evicted, ...timedOut.map(({ value }) => value)].map(({ id }) => id))
  const kept = entries.map(({ value }) => value.id).filter((id) => !gone.has(id))
  return { ids: kept, evicted, timedOut }
}
