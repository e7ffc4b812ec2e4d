import type { EndedSession, Session, SessionRecord } from '../domain/session.ts'
import type { User } from '../domain/user.ts'
import { namesIn } from './keys.ts'

// How users and sessions are written: without the members that their key or a usual value gives. There may be millions of them.

/** The short form of a value, in which it is written under the key: JSON leaves out members that are undefined. */
export function shorten(key: string, value: unknown): unknown {
  const named = namesIn(key)
  if (named === null) return value
  return named.sessionId === undefined ? shortUser(value as User) : shortSession(value as SessionRecord)
}

/** The whole value, from the short form that is written under the key. */
export function complete(key: string, written: unknown): unknown {
  const named = namesIn(key)
  if (named === null) return written
  const { userId, sessionId } = named
  return sessionId === undefined
    ? wholeUser(userId, written as ShortUser)
    : wholeSession(userId, sessionId, written as Short)
}

type ShortUser = Omit<User, 'id' | 'emailKey' | 'emailVerified' | 'generation' | 'roles' | 'app'> & Partial<User>

function shortUser(user: User) {
  return {
    ...user,
    id: undefined,
    emailKey: user.emailKey === user.email ? undefined : user.emailKey,
    emailVerified: user.emailVerified || undefined,
    generation: user.generation || undefined,
    roles: user.roles.length === 0 ? undefined : user.roles,
    app: Object.keys(user.app).length === 0 ? undefined : user.app,
  }
}

function wholeUser(id: string, written: ShortUser): User {
  return { id, emailKey: written.email, emailVerified: false, generation: 0, roles: [], app: {}, ...written }
}

type Short = EndedSession | ShortSession
type Always = 'store' | 'secret' | 'createdAt' | 'idleMs' | 'absoluteAt' | 'ip' | 'userAgent'
type ShortSession = Partial<Session> & Pick<Session, Always>

function shortSession(record: SessionRecord) {
  if (record.kind === 'ended') return { ...record, id: undefined }
  return {
    ...record,
    kind: undefined,
    id: undefined,
    userId: undefined,
    transport: record.transport === 'body' ? undefined : record.transport,
    remember: record.remember || undefined,
    amr: record.amr.join() === 'pwd' ? undefined : record.amr,
    authAt: record.authAt === record.createdAt ? undefined : record.authAt,
    counter: record.counter || undefined,
    held: record.held || undefined,
    spentAt: record.spentAt.length === 0 ? undefined : record.spentAt,
    late: record.late ?? undefined,
    changedFrom: record.changedFrom || undefined,
    passwordGeneration: record.passwordGeneration || undefined,
    lastUsedAt: record.lastUsedAt === usualLastUse(record) ? undefined : record.lastUsedAt,
  }
}

function wholeSession(userId: string, id: string, written: Short): SessionRecord {
  if (written.kind === 'ended') return { ...written, id }
  return {
    kind: 'live',
    id,
    userId,
    transport: 'body',
    remember: false,
    amr: ['pwd'],
    authAt: written.createdAt,
    counter: 0,
    held: 0,
    spentAt: [],
    late: null,
    changedFrom: 0,
    passwordGeneration: 0,
    lastUsedAt: usualLastUse(written),
    ...written,
  }
}

/** When the session was last used, if no clock was set meanwhile. */
function usualLastUse({ spentAt, createdAt }: Pick<ShortSession, 'spentAt' | 'createdAt'>): number {
  return spentAt?.at(-1) ?? createdAt
}
