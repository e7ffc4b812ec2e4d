import type { Caller } from '../domain/caller.ts'
import type { EndReason, OverReason } from '../domain/session.ts'

/**
 * The security events, all of them: one log line each, with the time, the event and these fields. `user_id` and
 * `session_id` are opaque; no event carries an e-mail address, a password, a token or a cookie.
 */
export interface SecurityEvents {
  'account.registered': { user_id: string; session_id: string }
  'account.deleted': { user_id: string }
  'login.succeeded': { user_id: string; session_id: string }
  'login.failed': { user_id: string | null; cause: 'unknown_account' | 'wrong_password' }
  'password.changed': { user_id: string; session_id: string }
  'password.refused': { user_id: string; session_id: string }
  'session.refreshed':
    | { user_id: string; session_id: string; how: 'rotate' | 'repeat' | 'heal' }
    | (LateToken & { how: 'late' })
  'session.doubted': LateToken
  'session.reused': SpentToken
  'refresh.refused': RefusedRefresh
  'session.ended': { user_id: string; session_id: string; reason: EndReason }
  'token.revoked': { user_id: string; session_id: string }
  'limit.hit': { limit: string }
  'origin.refused': object
  'key.rotated': { kid: string; alg: string }
  'store.replaced': object
}

/** A refresh token that was shown though it had been spent: what tells a lost answer from a thief. */
export interface SpentToken {
  user_id: string
  session_id: string
  /** Which token of the session it is, and which one is current. */
  counter: number
  current_counter: number
  /** How many ms ago it was first used; null: so long that nobody remembers. */
  spent_ms_ago: number | null
  /** Who showed a refresh token of the session before. */
  last_ip: string
  last_user_agent: string
}

/** One that was answered all the same, as its answer may have been lost. */
interface LateToken extends SpentToken {
  /** At how many rotations in a row that has happened: two who share a token come here at each. */
  streak: number
}

interface RefusedRefresh {
  user_id: string | null
  session_id: string | null
  reason: OverReason | 'token_invalid'
  /** Which token of the session was shown; null: none of ours. */
  counter: number | null
  /** When the session was last used, while that is remembered. RFC 3339, UTC. */
  last_used_at: string | null
}

export type EventName = keyof SecurityEvents

/** A security event: its name, and its fields. */
export type SecurityEvent = { readonly [E in EventName]: { readonly event: E } & SecurityEvents[E] }[EventName]

/** Writes a security event down; `caller` is null where no request caused it. Never throws. */
export type RecordEvent = (event: SecurityEvent, caller: Caller | null) => void
