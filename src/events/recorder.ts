import type { Logger } from 'pino'
import type { EventName, RecordEvent } from './security-events.ts'

/** How each event stands in the log. Whoever adds one says it here, or it does not compile. */
const LEVELS: Readonly<Record<EventName, 'info' | 'warn'>> = {
  'account.registered': 'info',
  'account.deleted': 'info',
  'login.succeeded': 'info',
  'login.failed': 'info',
  'password.changed': 'info',
  'password.refused': 'info',
  'session.refreshed': 'info',
  'session.doubted': 'info',
  'session.reused': 'info',
  'refresh.refused': 'info',
  'session.ended': 'info',
  'token.revoked': 'info',
  'limit.hit': 'info',
  'origin.refused': 'info',
  'key.rotated': 'info',
  'store.replaced': 'warn', // everybody logs in again
}

/** Writes security events as log lines: `event`, its fields, and who asked. */
export function makeRecorder(logger: Logger): RecordEvent {
  return (event, caller) => {
    const who = caller === null ? {} : { ip: caller.ip, user_agent: caller.userAgent, request_id: caller.requestId }
    logger[LEVELS[event.event]]({ ...event, ...who })
  }
}
