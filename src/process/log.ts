import type { Logger } from 'pino'
import pino from 'pino'
import type { Output } from './output.ts'

// The members of an error that are logged. Others are not: an error of a driver can carry a command with its keys and values.
interface LoggedError {
  readonly type: string
  readonly message: string
  readonly stack?: string | undefined
  readonly cause?: LoggedError
}

/** How many causes of an error are logged: an error can be its own cause. */
const CAUSES = 5

function describe(error: unknown, causes = CAUSES): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an error' }
  const cause = error.cause === undefined || causes === 0 ? {} : { cause: describe(error.cause, causes - 1) }
  return { type: error.name, message: error.message, stack: error.stack, ...cause }
}

/**
 * Makes the logger, which writes JSON lines, and says how many were lost once there is room again. Callers log no secrets; the
 * redaction is a second wall.
 */
export function makeLogger(level: string, output: Pick<Output, 'write'> & Partial<Pick<Output, 'onRoom'>>): Logger {
  const options = {
    level,
    timestamp: pino.stdTimeFunctions.isoTime,
    base: { service: 'latchkey', pid: process.pid },
    serializers: { err: (error: unknown) => describe(error), req: () => undefined, res: () => undefined },
    redact: {
      paths: ['authorization', 'cookie', 'password', 'token', 'secret'].flatMap((name) => [
        name,
        `*.${name}`,
        `*.*.${name}`,
      ]),
      censor: '[redacted]',
    },
  }
  const logger = pino(options, output)
  output.onRoom?.((lost) => logger.error({ lost }, 'lines of the log were lost'))
  return logger
}
