import { StoreUnavailable } from './store.ts'

/** What a store does. A read is of all that is asked for in one turn of the event loop. */
export const STORE_COMMANDS = ['read', 'commit', 'count', 'scan', 'sweep'] as const
export type StoreCommand = (typeof STORE_COMMANDS)[number]

/** Why a store fails. An old primary is `read_only`, or has `no_replicas`. */
export const STORE_FAILURES = [
  'away',
  'silent',
  'loading',
  'read_only',
  'no_replicas',
  'replicas_missed',
  'full',
  'refused',
  'other',
] as const
export type StoreFailure = (typeof STORE_FAILURES)[number]

/** Hears of each command that is over: for how many ms it took, and why it failed; null: it did not. */
export type OnCommand = (command: StoreCommand, ms: number, failure: StoreFailure | null) => void

/** The result of the work of a command; StoreUnavailable if it fails. */
export type InDoubt = <T>(command: StoreCommand, work: () => T | Promise<T>) => Promise<T>

/** Makes what carries out the commands of a store; `words` say that it failed, and `failureOf` why. */
export function makeInDoubt(
  words: string,
  failureOf: (cause: unknown) => StoreFailure,
  onCommand: OnCommand = () => {},
): InDoubt {
  return async (command, work) => {
    const begunAt = performance.now()
    try {
      const result = await work()
      onCommand(command, performance.now() - begunAt, null)
      return result
    } catch (cause) {
      onCommand(command, performance.now() - begunAt, failureOf(cause))
      throw new StoreUnavailable(words, { cause })
    }
  }
}
