import { InvalidConfig } from '../config/environment.ts'
import { BadFolder } from '../store/lmdb/folder-access.ts'

/** What a command refuses, in words for whoever gave it. */
export class Refusal extends Error {}

/** An operator's mistake and the system's answer (a port in use, a full disk) are told in a line; a fault of ours with its place. */
export function explain(error: Error): string {
  if (error instanceof InvalidConfig || error instanceof Refusal) return error.message
  if (error instanceof BadFolder) return `DATA_DIR: ${error.message}`
  if (!('syscall' in error)) return error.stack ?? error.message
  const isOfNetwork = error.syscall === 'listen' || error.syscall === 'getaddrinfo'
  return `${isOfNetwork ? 'HOST, PORT' : 'DATA_DIR'}: ${error.message}`
}
