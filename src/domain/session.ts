import type { AuthMethod } from './authentication.ts'
import { LEEWAY_MS, MARGIN_MS } from './revocation.ts'
import { type Moment, since } from './time.ts'

// A session is one login on one device: who, since when, how long, and where its refresh tokens stand.

/** Where the refresh token travels: in the JSON, or in an HttpOnly cookie. */
export const TRANSPORTS = ['body', 'cookie'] as const
export type Transport = (typeof TRANSPORTS)[number]

/** Why a session is over; `unknown` is said of a session this store has never held or no longer remembers. */
export const OVER_REASONS = [
  'logged_out',
  'revoked',
  'idle_timeout',
  'absolute_timeout',
  'password_changed',
  'token_reused',
  'account_deleted',
  'evicted',
  'unknown',
] as const
export type OverReason = (typeof OVER_REASONS)[number]

/** The reasons that time gives. */
export type Timeout = 'idle_timeout' | 'absolute_timeout'

/** The reasons that somebody gave. */
export type EndReason = Exclude<OverReason, Timeout | 'unknown'>

/** A live session. Times are ms since the epoch. */
export interface Session {
  readonly kind: 'live'
  readonly id: string
  readonly userId: string
  /** The identity of the store it was opened in: under another one it is over. */
  readonly store: string
  /** Random, part of every refresh token of the session; worth nothing without AUTH_SECRET. */
  readonly secret: string
  readonly transport: Transport
  readonly remember: boolean
  /** How it was opened: what its person has proven. */
  readonly amr: readonly AuthMethod[]
  /** When its person last proved that. */
  readonly authAt: number
  /** The counter of the current refresh token. */
  readonly counter: number
  /** The counter of the latest refresh token that the client is known to have received. */
  readonly held: number
  /** When the latest spent tokens were first used, oldest first; the last belongs to `counter - 1`. */
  readonly spentAt: readonly number[]
  /** The latest repeat that came late, if any. */
  readonly late: LateRepeat | null
  /** Refresh tokens below this counter are of before the password was changed: they have no grace. */
  readonly changedFrom: number
  readonly createdAt: number
  readonly lastUsedAt: number
  readonly idleMs: number
  readonly absoluteAt: number
  readonly ip: string
  readonly userAgent: string
}

/** A spent refresh token was shown outside its grace, as its answer was lost. */
export interface LateRepeat {
  readonly counter: number
  /** At how many rotations in a row that has happened, up to this one. */
  readonly streak: number
}

/** What is kept of a session that is over for good: enough to say why to whoever still shows its token. */
export interface EndedSession {
  readonly kind: 'ended'
  readonly id: string
  readonly secret: string
  readonly reason: EndReason | Timeout
}

export type SessionRecord = Session | EndedSession

/** Which session of which user is meant. */
export interface SessionName {
  readonly userId: string
  readonly sessionId: string
}

/** The record as it counts in the store of that identity: when everything was revoked, a session of before ended, too. */
export function underIdentity(record: SessionRecord, identity: string | null): SessionRecord {
  if (record.kind === 'ended' || record.store === identity) return record
  return { kind: 'ended', id: record.id, secret: record.secret, reason: 'revoked' }
}

/** When the session times out unless it is used before, by the shared clock as it goes now, and which of the two timeouts that is. */
export function deadline(session: Session, moment: Moment): { readonly at: number; readonly reason: Timeout } {
  const { idle, absolute } = timeLeft(session, moment)
  return idle < absolute
    ? { at: moment.now + idle, reason: 'idle_timeout' }
    : { at: moment.now + absolute, reason: 'absolute_timeout' }
}

/** Why the session is over at that moment, or null while it is alive. A clock that we see being set ends none. */
export function whyOver(record: SessionRecord, moment: Moment): OverReason | null {
  if (record.kind === 'ended') return record.reason
  const { at, reason } = deadline(record, moment)
  return moment.now < at ? null : reason
}

/** Whether the session timed out so long ago that the last of its access tokens, which lives out its minutes, is dead. */
export function isLongOver(session: Session, moment: Moment, accessTtlMs: number): boolean {
  return moment.now >= deadline(session, moment).at + accessTtlMs + LEEWAY_MS
}

function timeLeft({ createdAt, lastUsedAt, idleMs, absoluteAt }: Session, moment: Moment) {
  return { idle: idleMs - since(lastUsedAt, moment), absolute: absoluteAt - createdAt - since(createdAt, moment) }
}

/** Whether somebody ended the session; of one that only timed out the access tokens live out their minutes. */
export function wasEnded(record: SessionRecord): boolean {
  return record.kind === 'ended' && record.reason !== 'idle_timeout' && record.reason !== 'absolute_timeout'
}

/** Until when the store remembers a session, ended or not: as long as one of its refresh tokens could still be shown. */
export function rememberedUntil(session: Pick<Session, 'absoluteAt' | 'idleMs'>): number {
  return session.absoluteAt + session.idleMs + MARGIN_MS
}
