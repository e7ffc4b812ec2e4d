import type { Logger } from 'pino'
import type { EventName, RecordEvent } from './security-events.ts'

/** The level of each event in the log. */
const LEVELS: Readonly<Record<EventName, 'info' | 'warn'>> = {
  'account.registered': 'info',
  'account.deleted': 'info',
  'login.succeeded': 'info',
  'login.failed': 'info',
  'password.changed': 'info',
  'password.refused': 'info',
  'password.reset_asked': 'info',
  'password.reset': 'info',
  'email.verified': 'info',
  'email.changed': 'info',
  'code.refused': 'info',
  'session.refreshed': 'info',
  'session.doubted': 'info',
  'session.reused': 'info',
  'refresh.refused': 'info',
  'session.ended': 'info',
  'token.revoked': 'info',
  'mail.sent': 'info',
  'mail.failed': 'warn', // somebody waits for it
  'limit.hit': 'info',
  'origin.refused': 'info',
  'key.rotated': 'info',
  'store.replaced': 'warn', // everybody logs in again
}

/** Makes the recorder, which writes each security event as a line of the log: `event`, its fields, and who sent the request. */
export function makeRecorder(logger: Logger): RecordEvent {
  return (event, caller) => {
    const who = caller === null ? {} : { ip: caller.ip, user_agent: caller.userAgent, request_id: caller.requestId }
    logger[LEVELS[event.event]]({ ...event, ...who })
  }
}
