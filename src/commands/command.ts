import type { Output } from '../process/output.ts'

/** A command of main.ts, given the words behind its name and what it may print to. Throws Refusal with what its user should know. */
export type Command = (words: readonly string[], output: Output) => Promise<void>
