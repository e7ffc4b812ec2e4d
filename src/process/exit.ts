import type { Logger } from 'pino'
import type { Output } from './output.ts'

/** Ends the process when its last lines are written, or cannot be written. */
export async function exit(code: number, ...outputs: readonly Output[]): Promise<void> {
  await Promise.all(outputs.map((output) => output.flush()))
  process.exit(code)
}

/** Kills the process at once. An exit could wait for ever for a write of the embedded store; that store survives a kill. */
export function giveUp(): void {
  process.kill(process.pid, 'SIGKILL')
}

/**
 * Logs an unhandled rejection and goes on: the embedded store leaves one when the disk is full. Logs an uncaught exception and
 * ends the process.
 */
export function outliveFaults(logger: Logger, output: Output): void {
  async function end(error: Error): Promise<void> {
    logger.fatal({ err: error }, 'uncaught exception')
    await output.flush()
    giveUp()
  }
  process.on('unhandledRejection', (error) => logger.error({ err: error }, 'unhandled rejection'))
  process.on('uncaughtException', (error) => void end(error))
}
