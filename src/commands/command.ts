import type { Output } from '../process/output.ts'

/**
 * A command of main.ts. It gets the words behind its name, and the output for its lines. Throws Refusal with a message for its
 * user.
 */
export type Command = (words: readonly string[], output: Output) => Promise<void>
