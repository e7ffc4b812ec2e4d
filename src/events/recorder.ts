import type { Logger } from 'pino'
import type { RecordEvent } from './security-events.ts'

/** Writes security events as log lines: `event`, its fields, and who asked. The end of all sessions at once is a warning. */
export function makeRecorder(logger: Logger): RecordEvent {
  return (event, fields, caller) => {
    const who = caller === null ? {} : { ip: caller.ip, user_agent: caller.userAgent, request_id: caller.requestId }
    logger[event === 'store.replaced' ? 'warn' : 'info']({ event, ...fields, ...who })
  }
}
