import type { Logger } from 'pino'
import pino from 'pino'
import type { Output } from './output.ts'

// What may be said of an error: a driver's error can carry the command with keys and values, so its other members stay out.
interface LoggedError {
  readonly type: string
  readonly message: string
  readonly stack?: string | undefined
  readonly cause?: LoggedError
}

/** Causes beyond these are not told: an error can be its own. */
const CAUSES = 5

function describe(error: unknown, causes = CAUSES): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an error' }
  const cause = error.cause === undefined || causes === 0 ? {} : { cause: describe(error.cause, causes - 1) }
  return { type: error.name, message: error.message, stack: error.stack, ...cause }
}

/** JSON lines. Secrets are kept out by what is logged; the redaction is the second wall. */
export function makeLogger(level: string, output: Pick<Output, 'write'>): Logger {
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
  return pino(options, output)
}
