import type { Logger } from 'pino'
import type { Output } from './output.ts'

/** Ends the process once its last lines are written, or cannot be. */
export async function exit(code: number, ...outputs: readonly Output[]): Promise<void> {
  await Promise.all(outputs.map((output) => output.flush()))
  process.exit(code)
}

/** Ends the process at once: an exit can hang for ever on a write of the embedded store, which survives this. */
export function giveUp(): void {
  process.kill(process.pid, 'SIGKILL')
}

/** A promise nobody waits for (the embedded store leaves one when the disk is full) must not end the process; a throw must. */
export function outliveFaults(logger: Logger, output: Output): void {
  async function end(error: Error): Promise<void> {
    logger.fatal({ err: error }, 'uncaught exception')
    await output.flush()
    giveUp()
  }
  process.on('unhandledRejection', (error) => logger.error({ err: error }, 'unhandled rejection'))
  process.on('uncaughtException', (error) => void end(error))
}
