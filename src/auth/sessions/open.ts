import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { type EndReason, isLongOver, type Session, type Transport, wasEnded, whyOver } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put, type Put, unchanged } from '../../store/store.ts'
import { demandStore } from '../tokens/denylist.ts'
import { newId } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import { denyBelow, denySession, endings, putSession, recordEnds, timeouts } from './session-writes.ts'

/** Which session of which user is asking. */
export interface Self {
  readonly userId: string
  readonly sessionId: string
}

/** How the client wants its session. */
export interface SessionWish {
  readonly transport: Transport
  readonly remember: boolean
  /** The session that this one replaces, if any: where there are too many, it gives way and no other does. */
  readonly replaces?: string | undefined
}

/**
 * Opens a session for a user as it was read, and writes the user with it (`change`). The oldest live session gives way
 * when there are too many. Null: the user has changed since it was read, decide again.
 */
export async function openSession(
  deps: Deps,
  user: Entry<User>,
  wish: SessionWish,
  caller: Caller,
  change: Partial<User> = {},
): Promise<Session | null> {
  const store = demandStore(deps, await deps.store.get(keys.identity), deps.keyring.identity())
  const session = { ...newSession(deps, user.value, wish, caller), store }
  const { ids, evicted, timedOut } = await makeRoom(deps, user.value, wish.replaces)
  const next: User = { ...user.value, ...change, sessions: [...ids, session.id] }
  const { puts, deletes } = endings(deps, evicted, 'evicted')
  const isWon = await deps.store.commit({
    checks: [user, ...timedOut],
    puts: [put(keys.user(next.id), next, null), putSession(session), ...puts, ...timeouts(deps, timedOut)],
    deletes,
  })
  if (!isWon) return null
  recordEnds(deps, evicted, 'evicted', caller)
  return session
}

/** Whose sessions, and which. */
type Listed = Pick<User, 'id' | 'sessions'>

/** The user's live sessions, oldest first. */
export async function liveSessions(deps: Deps, user: Listed): Promise<Session[]> {
  const sessions = await unendedSessions(deps, user)
  return sessions.filter((session) => whyOver(session, deps.moment()) === null)
}

/** The sessions nobody has ended: the live ones, and those that have timed out but may have access tokens left. */
export async function unendedSessions(deps: Deps, user: Listed): Promise<Session[]> {
  return (await unendedEntries(deps, user)).map(({ value }) => value)
}

async function unendedEntries({ store, keyring }: Deps, { id, sessions }: Listed): Promise<Entry<Session>[]> {
  const entries = await store.getMany(sessions.map((sessionId) => keys.session(id, sessionId)))
  const ours = keyring.identity()
  return entries.filter((entry): entry is Entry<Session> => entry?.value.kind === 'live' && entry.value.store === ours)
}

/** Which session is to end, and why. `isVouched`: a verified token vouches for it, even if the store has lost it. */
export interface Ending extends Self {
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
    const entry = await deps.store.get(key)
    const isAlive = entry !== null && whyOver(entry.value, deps.moment()) === null
    if (!isAlive && !isVouched && !(entry && wasEnded(entry.value))) return false
    const sessions = entry?.value.kind === 'live' ? [entry.value] : []
    const { puts } = endings(deps, sessions, reason)
    // What has ended is denied once more: its end may have been written and not yet be safe with a replica.
    const isWon = await deps.store.commit({
      checks: [unchanged(key, entry)],
      puts: sessions.length > 0 ? puts : [denySession(deps, userId, sessionId)],
      deletes: [keys.sessionData(userId, sessionId)],
    })
    if (!isWon) return null
    recordEnds(deps, sessions, reason, caller)
    return isAlive
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
    const { puts, deletes } = endings(deps, ended, 'logged_out')
    const { next, denials } = keep === null ? nextGeneration(deps, user.value) : { next: user.value, denials: [] }
    // Writing the user makes a login under way decide again.
    const sessions = next.sessions.filter((id) => id === keep)
    const isWon = await deps.store.commit({
      checks: [user],
      puts: [put(keys.user(userId), { ...next, sessions }, null), ...puts, ...denials],
      deletes,
    })
    if (!isWon) return null
    recordEnds(deps, ended, 'logged_out', caller)
    return 'ended'
  })
}

/** The user one generation on: every access token issued until now is dead. */
export function nextGeneration(deps: Deps, user: User): { next: User; denials: Put[] } {
  const generation = user.generation + 1
  return { next: { ...user, generation }, denials: [denyBelow(deps, user.id, generation)] }
}

function newSession(
  { config, clock }: Deps,
  user: User,
  { transport, remember }: SessionWish,
  caller: Caller,
): Omit<Session, 'store'> {
  const now = clock()
  return {
    kind: 'live',
    id: newId(),
    userId: user.id,
    secret: newId(),
    transport,
    remember,
    generation: user.generation,
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
