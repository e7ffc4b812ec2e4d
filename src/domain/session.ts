import type { AuthMethod } from './auth-methods.ts'
import { LEEWAY_MS, MARGIN_MS } from './revocation.ts'
import { type Moment, since } from './time.ts'

// A session is one login on one device: whose it is, since when, how long it lives, and which refresh token is current.

/** Where the refresh token travels: in the JSON, or in an HttpOnly cookie. */
export const TRANSPORTS = ['body', 'cookie'] as const
export type Transport = (typeof TRANSPORTS)[number]

/** Why a session is over. `unknown`: the store has never had the session, or no longer remembers it. */
export const OVER_REASONS = [
  'logged_out',
  'revoked',
  'idle_timeout',
  'absolute_timeout',
  'password_changed',
  'token_reused',
  'account_deleted',
  'evicted',
  'password_reset',
  'email_changed',
  'factor_changed',
  'disabled',
  'unknown',
] as const
export type OverReason = (typeof OVER_REASONS)[number]

/** The reasons for which a session ends by itself. */
export type Timeout = 'idle_timeout' | 'absolute_timeout'

/** The reasons for which somebody or the service ends a session. */
export type EndReason = Exclude<OverReason, Timeout | 'unknown'>

/** A live session. Times are ms since the epoch. */
export interface Session {
  readonly kind: 'live'
  readonly id: string
  readonly userId: string
  /** The identity of the store when the session was opened: once the store has another identity, the session is over. */
  readonly store: string
  /** 16 random bytes in base64url, part of every refresh token of the session; no token can be made of them without AUTH_SECRET. */
  readonly secret: string
  readonly transport: Transport
  readonly remember: boolean
  /** What its person has proven, RFC 8176. */
  readonly amr: readonly AuthMethod[]
  /** When its person last proved that. */
  readonly authAt: number
  /** The counter of the current refresh token. */
  readonly counter: number
  /** The counter of the latest refresh token that the client is known to have received. */
  readonly held: number
  /** When each of the latest spent refresh tokens was first used, oldest first; the last time belongs to `counter - 1`. */
  readonly spentAt: readonly number[]
  /** The latest repeat that came after the grace, if any. */
  readonly late: LateRepeat | null
  /** Refresh tokens below this counter were issued before the password was changed: they have no grace. */
  readonly changedFrom: number
  /** The user's generation when the password was last changed in this session: access tokens of before are below it. */
  readonly passwordGeneration: number
  readonly createdAt: number
  readonly lastUsedAt: number
  readonly idleMs: number
  readonly absoluteAt: number
  readonly ip: string
  readonly userAgent: string
  /** A second step opened it, and none of its tokens has come back: who lost the answer gets it again. Absent: one has. */
  readonly isUnseen?: true
}

/** A spent refresh token that was shown after its grace, though the client is not known to have its successor. */
export interface LateRepeat {
  readonly counter: number
  /** At how many rotations in a row, up to this one, a late repeat has happened. */
  readonly streak: number
}

/** The rest of a session that is over for good: enough to tell a client that still shows its token why it is over. */
export interface EndedSession {
  readonly kind: 'ended'
  readonly id: string
  readonly secret: string
  readonly reason: EndReason | Timeout
}

/** A session as the store has it. */
export type SessionRecord = Session | EndedSession

/** Names a session, and the user whose session it is. */
export interface SessionName {
  readonly userId: string
  readonly sessionId: string
}

/** The record, ended if its session was opened under another identity of the store: everything has been revoked since. */
export function underIdentity(record: SessionRecord, identity: string | null): SessionRecord {
  if (record.kind === 'ended' || record.store === identity) return record
  return { kind: 'ended', id: record.id, secret: record.secret, reason: 'revoked' }
}

/** When the session times out unless it is used before (ms since the epoch, by the shared clock of now), and by which timeout. */
export function deadline(session: Session, moment: Moment): { readonly at: number; readonly reason: Timeout } {
  const { idle, absolute } = timeLeft(session, moment)
  return idle < absolute
    ? { at: moment.now + idle, reason: 'idle_timeout' }
    : { at: moment.now + absolute, reason: 'absolute_timeout' }
}

/** Why the session is over at that moment; null: it is alive. No session ends because a clock was seen to be set. */
export function whyOver(record: SessionRecord, moment: Moment): OverReason | null {
  if (record.kind === 'ended') return record.reason
  const { at, reason } = deadline(record, moment)
  return moment.now < at ? null : reason
}

/** Whether the session timed out so long ago that its last access token has expired, too: a timeout does not deny access tokens. */
export function isLongOver(session: Session, moment: Moment, accessTtlMs: number): boolean {
  return moment.now >= deadline(session, moment).at + accessTtlMs + LEEWAY_MS
}

function timeLeft({ createdAt, lastUsedAt, idleMs, absoluteAt }: Session, moment: Moment) {
  return { idle: idleMs - since(lastUsedAt, moment), absolute: absoluteAt - createdAt - since(createdAt, moment) }
}

/** Whether the session was ended for an EndReason, which denies its access tokens; after a timeout they live until they expire. */
export function wasEnded(record: SessionRecord): boolean {
  return record.kind === 'ended' && record.reason !== 'idle_timeout' && record.reason !== 'absolute_timeout'
}

/**
 * Until when (ms since the epoch) the store remembers a session, ended or not: as long as a client may still show one of its
 * refresh tokens.
 */
export function rememberedUntil(session: Pick<Session, 'absoluteAt' | 'idleMs'>): number {
  return session.absoluteAt + session.idleMs + MARGIN_MS
}
