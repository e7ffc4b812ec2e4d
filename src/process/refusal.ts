import { InvalidConfig } from '../config/environment.ts'
import { BadTemplate } from '../mail/templates.ts'
import { BadFolder } from '../store/lmdb/folder-access.ts'

/** A command refuses its work; the message tells its user why. */
export class Refusal extends Error {
  /** What the process exits with. */
  readonly exitCode: number

  constructor(message: string, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/**
 * The message that ends a process: one line for a mistake of the operator or an error of the system (a port in use, a full
 * disk), a stack for a bug.
 */
export function messageFor(error: Error): string {
  if (error instanceof InvalidConfig || error instanceof Refusal || error instanceof BadTemplate) return error.message
  if (error instanceof BadFolder) return `DATA_DIR: ${error.message}`
  if (!('syscall' in error)) return error.stack ?? error.message
  const isOfNetwork = error.syscall === 'listen' || error.syscall === 'getaddrinfo'
  return `${isOfNetwork ? 'HOST, PORT' : 'DATA_DIR'}: ${error.message}`
}
