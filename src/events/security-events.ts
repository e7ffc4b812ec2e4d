import type { Caller } from '../domain/caller.ts'
import type { Factor } from '../domain/factors.ts'
import type { MailKind } from '../domain/mail.ts'
import type { Purpose } from '../domain/one-time-secret.ts'
import type { EndReason, OverReason } from '../domain/session.ts'

/**
 * All security events, each with its fields, as they are logged. `user_id`, `session_id` and `client_id` are opaque; no event has an e-mail
 * address, a password, a token or a cookie.
 */
export interface SecurityEvents {
  'account.registered': { user_id: string; session_id: string }
  /** The operator has made it. */
  'account.created': { user_id: string }
  'account.deleted': { user_id: string }
  'account.disabled': { user_id: string }
  'account.enabled': { user_id: string }
  'roles.changed': { user_id: string }
  'app.changed': { user_id: string }
  'login.succeeded': { user_id: string; session_id: string }
  'login.failed': { user_id: string | null; cause: 'unknown_account' | 'wrong_password' | 'disabled' }
  'password.changed': { user_id: string; session_id: string }
  'password.refused': { user_id: string; session_id: string }
  'password.reset_asked': { user_id: string | null }
  'password.reset': { user_id: string }
  /** The operator has made the password unusable: another one is set by mail. */
  'password.reset_required': { user_id: string }
  'email.verified': { user_id: string; session_id: string }
  'email.changed': { user_id: string; session_id: string }
  /** A token or code of a mail was wrong, expired, spent or superseded; `user_id` is null if there is no such account. */
  'code.refused': { user_id: string | null; purpose: Purpose; by: 'token' | 'code' }
  /** By whom it was: `session_id` is null if the operator did it, or somebody who was not logged in yet. */
  'factor.added': { user_id: string; session_id: string; factor: Factor }
  'factor.removed': { user_id: string; session_id: string | null; factor: Factor }
  /** What was shown of a second factor was wrong, or spent, or there is no such factor. */
  'factor.refused': { user_id: string; session_id: string | null; factor: Factor }
  'recovery_code.used': { user_id: string; left: number }
  /** A passkey counts less than before, so there may be a copy of it; one that may be on several devices was let in all the same. */
  'passkey.counter_fell': { user_id: string; passkey_id: string; refused: boolean }
  'session.refreshed':
    | { user_id: string; session_id: string; how: 'rotate' | 'repeat' | 'heal' }
    | (LateToken & { how: 'late' })
  'session.doubted': LateToken
  'session.reused': SpentToken
  'refresh.refused': RefusedRefresh
  'session.ended': { user_id: string; session_id: string; reason: EndReason }
  'token.revoked': { user_id: string; session_id: string }
  'mail.sent': { user_id: string; kind: MailKind; tries: number }
  /** It will not arrive; `cause` is the code of the server, of an error, or `expired`. */
  'mail.failed': { user_id: string; kind: MailKind; tries: number; cause: string }
  'limit.hit': { limit: LimitName }
  /** A request to the operator's listener, with the route and the status of its answer. */
  'operator.called': { route: string; status: number; user_id: string | null }
  /** A request to the operator's listener without a right key. */
  'operator.refused': object
  'origin.refused': object
  'client.added': { client_id: string }
  /** `secret_id` names a secret, and tells nothing of it. */
  'client.secret_added': { client_id: string; secret_id: string }
  'client.disabled': { client_id: string }
  'client.enabled': { client_id: string }
  'client.removed': { client_id: string }
  /** A client could not prove who it is; `client_id` is null if there is no such client. */
  'client.refused': { client_id: string | null; cause: 'unknown_client' | 'wrong_secret' | 'disabled' }
  /** A client has got a token of its own, by this of its secrets. */
  'client.token_issued': { client_id: string; secret_id: string }
  'client.token_revoked': { client_id: string }
  'key.rotated': { kid: string; alg: string }
  'store.replaced': object
}

/** A refresh token that was shown though it was spent: the facts that tell a lost answer from a thief. */
export interface SpentToken {
  user_id: string
  session_id: string
  /** The counter of the token, and the counter of the current token of the session. */
  counter: number
  current_counter: number
  /** How many ms ago the token was first used; null: that is no longer remembered. */
  spent_ms_ago: number | null
  /** Who last showed a refresh token of the session before this request. */
  last_ip: string
  last_user_agent: string
}

/** A spent token that was accepted after its grace, because the answer to it may have been lost. */
interface LateToken extends SpentToken {
  /** At how many rotations in a row this has happened: two clients that share a token cause it at each. */
  streak: number
}

interface RefusedRefresh {
  user_id: string | null
  session_id: string | null
  reason: OverReason | 'token_invalid'
  /** The counter of the token that was shown; null: the token is not ours. */
  counter: number | null
  /** When the session was last used, RFC 3339 in UTC; null: it is over, or not remembered. */
  last_used_at: string | null
}

/** The limits that refuse requests. */
export const LIMITS = [
  'register',
  'login',
  'refresh',
  'api',
  'failures',
  'account_failures',
  'session_failures',
  'second_factor',
  'mail',
  'mail_total',
] as const
export type LimitName = (typeof LIMITS)[number]

/** The name of a security event. */
export type EventName = keyof SecurityEvents

/** A security event: its name and its fields. */
export type SecurityEvent = { readonly [E in EventName]: { readonly event: E } & SecurityEvents[E] }[EventName]

/** Records a security event; `caller` is null if no request caused it. Never throws. */
export type RecordEvent = (event: SecurityEvent, caller: Caller | null) => void
