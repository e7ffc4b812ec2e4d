import type { Caller, EndReason, OverReason } from './domain/session.ts'

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
  'session.refreshed': { user_id: string; session_id: string; how: 'rotate' | 'repeat' | 'heal' }
  'refresh.refused': { user_id: string | null; session_id: string | null; reason: OverReason | 'token_invalid' }
  'session.reused': { user_id: string; session_id: string }
  'session.ended': { user_id: string; session_id: string; reason: EndReason }
  'token.revoked': { user_id: string; session_id: string }
  'limit.hit': { limit: string }
  'origin.refused': object
  'key.rotated': { kid: string; alg: string }
  'store.replaced': object
}

/** Writes a security event down; `caller` is null where no request caused it. Never throws. */
export type RecordEvent = <E extends keyof SecurityEvents>(
  event: E,
  fields: SecurityEvents[E],
  caller: Caller | null,
) => void
