import type { Caller } from './caller.ts'
import type { EndReason } from './session.ts'

// The trail of an account: what has happened to it, and why each of its sessions ended. Its owner reads it, and the operator.

/**
 * Every security event, and whether the account that it is about has it in its trail. What is not there is in the log only: what
 * happens all the time; what anybody can cause who knows no more than an address; what is about no account; and the end of the
 * account, with which its trail goes.
 */
const IS_OF_TRAIL = {
  'account.registered': true,
  'account.created': true,
  'account.deleted': false,
  'account.disabled': true,
  'account.enabled': true,
  'roles.changed': true,
  'app.changed': true,
  'login.succeeded': true,
  'login.failed': false,
  'password.changed': true,
  'password.refused': false,
  'password.reset_asked': false,
  'password.reset_required': true,
  'password.reset': true,
  'email.verified': true,
  'email.changed': true,
  'code.refused': false,
  'factor.added': true,
  'factor.removed': true,
  'factor.refused': false,
  'recovery_code.used': true,
  'passkey.counter_fell': true,
  'session.refreshed': false,
  'session.doubted': true,
  'session.reused': true,
  'refresh.refused': false,
  'session.ended': true,
  'token.revoked': false,
  'mail.sent': false,
  'mail.failed': false,
  'limit.hit': false,
  'operator.called': false,
  'operator.refused': false,
  'origin.refused': false,
  'client.added': false,
  'client.secret_added': false,
  'client.disabled': false,
  'client.enabled': false,
  'client.removed': false,
  'client.refused': false,
  'client.token_issued': false,
  'client.token_revoked': false,
  'key.rotated': false,
  'store.replaced': false,
} as const

type Name = keyof typeof IS_OF_TRAIL
export type TrailEventName = { [N in Name]: (typeof IS_OF_TRAIL)[N] extends true ? N : never }[Name]

/** The names of the events of a trail. */
export const TRAIL_EVENTS = Object.keys(IS_OF_TRAIL).filter(isOfTrail)

function isOfTrail(name: string): name is TrailEventName {
  return IS_OF_TRAIL[name as Name]
}

/** What has happened, when (ms since the epoch), and who did it: the caller, or one of the operator's people. */
export interface TrailEvent {
  readonly at: number
  readonly event: TrailEventName
  readonly sessionId?: string
  /** Why the session ended. */
  readonly reason?: EndReason
  readonly ip?: string
  readonly userAgent?: string
  /** The name of the operator's key, and for whom the operator says to act. */
  readonly by?: string
  readonly actor?: string
}

/** A security event, as far as a trail tells of it. */
interface Happened {
  readonly event: Name
  readonly user_id?: string | null
  readonly session_id?: string | null
  readonly reason?: string
}

/** What is added to the trail of an account. */
export interface Trailed {
  readonly userId: string
  readonly rows: readonly TrailEvent[]
}

/** What the events of one deed, by this caller, add to the trail of their account; null: nothing, or the account is gone. */
export function trailOf(events: readonly Happened[], caller: Caller, at: number): Trailed | null {
  const who = whoDidIt(caller)
  const rows = events.flatMap(({ event, session_id: sessionId, reason }) =>
    isOfTrail(event) ? [{ at, event, ...(sessionId && { sessionId }), ...endedFor(reason), ...who }] : [],
  )
  const isGone = events.some(({ event }) => event === 'account.deleted')
  const userId = events[0]?.user_id
  return !userId || isGone || rows.length === 0 ? null : { userId, rows }
}

function endedFor(reason: string | undefined): Pick<TrailEvent, 'reason'> {
  return reason === undefined ? {} : { reason: reason as EndReason }
}

/** The address of an operator is nobody's concern but the log's. */
function whoDidIt({ ip, userAgent, by, actor }: Caller): Pick<TrailEvent, 'ip' | 'userAgent' | 'by' | 'actor'> {
  if (by !== undefined) return { by, ...(actor === undefined ? {} : { actor }) }
  return { ...(ip === '' ? {} : { ip }), ...(userAgent === '' ? {} : { userAgent }) }
}

/** The event as the owner of the account is told: the operator is one, whoever of them it was. */
export function asOwnerSees(told: TrailEvent): TrailEvent {
  const { actor: _, ...event } = told
  return event.by === undefined ? event : { ...event, by: 'operator' }
}
