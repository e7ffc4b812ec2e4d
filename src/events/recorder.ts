import type { Logger } from 'pino'
import type { Caller } from '../domain/caller.ts'
import { traceFields } from '../domain/trace.ts'
import type { EventName, RecordEvent, SecurityEvent } from './security-events.ts'

/** The level of each event in the log. */
const LEVELS: Readonly<Record<EventName, 'info' | 'warn'>> = {
  'account.registered': 'info',
  'account.created': 'info',
  'account.deleted': 'info',
  'account.disabled': 'info',
  'account.enabled': 'info',
  'roles.changed': 'info',
  'app.changed': 'info',
  'login.succeeded': 'info',
  'login.failed': 'info',
  'password.changed': 'info',
  'password.refused': 'info',
  'password.reset_asked': 'info',
  'password.reset': 'info',
  'password.reset_required': 'info',
  'email.verified': 'info',
  'email.changed': 'info',
  'code.refused': 'info',
  'factor.added': 'info',
  'factor.removed': 'info',
  'factor.refused': 'info',
  'recovery_code.used': 'info',
  'passkey.counter_fell': 'warn', // there may be a copy of it
  'session.refreshed': 'info',
  'session.doubted': 'info',
  'session.reused': 'info',
  'refresh.refused': 'info',
  'session.ended': 'info',
  'token.revoked': 'info',
  'mail.sent': 'info',
  'mail.failed': 'warn', // somebody waits for it
  'limit.hit': 'info',
  'operator.called': 'info',
  'operator.refused': 'warn',
  'origin.refused': 'info',
  'client.added': 'info',
  'client.secret_added': 'info',
  'client.disabled': 'info',
  'client.enabled': 'info',
  'client.removed': 'info',
  'client.refused': 'info',
  'client.token_issued': 'info',
  'client.token_revoked': 'info',
  'key.rotated': 'info',
  'store.replaced': 'warn', // everybody logs in again
}

export const EVENT_NAMES = Object.keys(LEVELS) as readonly EventName[]

/**
 * Makes the recorder, which writes each security event as a line of the log: `event`, its fields, and who sent the request. `count`
 * hears of it, too.
 */
export function makeRecorder(logger: Logger, count: (event: SecurityEvent) => void): RecordEvent {
  return (event, caller) => {
    count(event)
    logger[LEVELS[event.event]]({ ...event, ...(caller === null ? {} : fieldsOf(caller)) })
  }
}

function fieldsOf({ ip, userAgent, requestId, by, actor, span }: Caller) {
  const operator = by === undefined ? {} : { by, actor } // `by` of a person is the event's own
  return { ip, user_agent: userAgent, request_id: requestId, ...operator, ...traceFields(span) }
}
