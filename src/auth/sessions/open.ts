import type { Deps } from '../../deps.ts'
import { ANSWERED_MS, type Answered } from '../../domain/answered.ts'
import type { AuthMethod } from '../../domain/auth-methods.ts'
import type { Caller } from '../../domain/caller.ts'
import { newId } from '../../domain/id.ts'
import type { Mail } from '../../domain/mail.ts'
import { isLongOver, type Session, type Transport, whyOver } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import type { SecurityEvent } from '../../events/security-events.ts'
import { keys } from '../../store/keys.ts'
import { type Check, type Entry, type Key, put, type Put } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import { demandIdentity } from '../keys/store-identity.ts'
import type { Bearer } from '../tokens/issue.ts'
import { readUnendedEntries } from './read.ts'
import { endWrites, putSession, timeoutWrites } from './session-writes.ts'

/** How the client wants its session to be. */
export interface SessionWish {
  readonly transport: Transport
  readonly remember: boolean
  /** The id of the session that this one replaces, if any: if the user has too many sessions, that one ends first. */
  readonly replaces?: string | undefined
}

/**
 * What opens a session: what the person has proven, the event that it is, and what changes in the user's record and is mailed in the
 * same commit.
 */
export interface Opening {
  readonly amr: readonly AuthMethod[]
  readonly event: 'login.succeeded' | 'account.registered'
  readonly change?: Partial<User>
  readonly mails?: readonly Mail[]
  readonly events?: readonly SecurityEvent[]
  /** The address that the user has held while it did not exist. */
  readonly held?: Entry<string>
  /** What a second step has shown, and where it is remembered that it opened this session. */
  readonly answers?: { readonly place: Check & { readonly key: Key<Answered> }; readonly shown: string }
}

/** A user as it was read, or as it is to be: then it must be absent. */
export type Opener = Check & { readonly value: User }

/**
 * Opens a session for a user, and writes the user in the same commit. If the user has SESSION_MAX sessions, the oldest live one
 * ends. Null: the user has changed since it was read; read it and decide again.
 */
export async function openSession(
  deps: Deps,
  user: Opener,
  { amr, event, change = {}, mails = [], held, events: also = [], answers }: Opening,
  wish: SessionWish,
  caller: Caller,
): Promise<Bearer | null> {
  const store = demandIdentity(deps, await deps.store.get(keys.identity), deps.keyring.identity())
  const session = {
    ...newSession(deps, user.value, wish, caller),
    store,
    amr,
    ...(answers && { isUnseen: true as const }),
  }
  const { ids, evicted, timedOut } = await makeRoom(deps, user.value, wish.replaces)
  const next: User = { ...user.value, ...change, sessions: [...ids, session.id] }
  const { puts, deletes, events } = endWrites(deps, evicted, 'evicted')
  const opened: SecurityEvent = { event, user_id: next.id, session_id: session.id }
  const writes = [put(keys.user(next.id), next, null), putSession(session), ...puts, ...timeoutWrites(deps, timedOut)]
  const releases = held === undefined ? [] : [held]
  const remembered = answers
    ? [putAnswered(deps, answers.place.key, { sessionId: session.id, shown: answers.shown })]
    : []
  const deed = {
    checks: [user, ...timedOut, ...releases, ...(answers ? [answers.place] : [])],
    puts: [...writes, ...remembered],
    deletes: [...deletes, ...releases.map(({ key }) => key)],
    events: [...events, ...also, opened],
    mails,
  }
  return (await carryOut(deps, deed, caller)) ? { session, user: next } : null
}

/** The write that remembers a proof for as long as its answer may be asked for again. */
export function putAnswered({ clock }: Deps, key: Key<Answered>, answered: Answered): Put {
  return put(key, answered, clock() + ANSWERED_MS)
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
    passwordGeneration: 0,
    createdAt: now,
    lastUsedAt: now,
    idleMs: remember ? config.REMEMBER_IDLE : config.SESSION_IDLE,
    absoluteAt: now + (remember ? config.REMEMBER_ABSOLUTE : config.SESSION_ABSOLUTE),
    ip: caller.ip,
    userAgent: caller.userAgent,
  }
}

interface Room {
  /** The ids that stay in the list of the user, which then has room for one more. */
  readonly ids: readonly string[]
  /** Live sessions that are ended to make room. */
  readonly evicted: readonly Session[]
  /**
   * Sessions that leave the list because all their tokens are dead. They are checked and written: a refresh under way must not
   * revive one that is no longer listed.
   */
  readonly timedOut: readonly Entry<Session>[]
}

async function makeRoom(deps: Deps, user: User, replaced: string | undefined): Promise<Room> {
  const { SESSION_MAX: max } = deps.config
  if (user.sessions.length < max) return { ids: user.sessions, evicted: [], timedOut: [] }
  const entries = await readUnendedEntries(deps, user)
  const now = deps.moment()
  const timedOut = entries.filter(({ value }) => isLongOver(value, now, deps.config.ACCESS_TTL))
  const alive = entries.map(({ value }) => value).filter((session) => whyOver(session, now) === null)
  const first = alive.filter(({ id }) => id === replaced)
  const evicted = [...new Set([...first, ...alive])].slice(0, Math.max(0, alive.length - max + 1))
  const gone = new Set([...evicted, ...timedOut.map(({ value }) => value)].map(({ id }) => id))
  const kept = entries.map(({ value }) => value.id).filter((id) => !gone.has(id))
  return { ids: kept, evicted, timedOut }
}
