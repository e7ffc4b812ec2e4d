import type { Config } from '../config/environment.ts'
import type { Output } from '../process/output.ts'

/**
 * A command of main.ts. It gets the configuration, the output for its lines, and the words behind its name. Throws Refusal with
 * a message for its user.
 */
export type Command = (config: Config, output: Output, words: readonly string[]) => Promise<void>
