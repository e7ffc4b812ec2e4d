import { parseArgs, type ParseArgsConfig } from 'node:util'
import { isId } from '../../domain/id.ts'
import { Refusal } from '../../process/refusal.ts'

/** What may follow the name of an order. */
export interface Wording {
  readonly usage: string
  readonly options?: NonNullable<ParseArgsConfig['options']>
  /** How many words, besides options. */
  readonly words: readonly [least: number, most: number]
}

/** Reads what follows the name of an order. Throws Refusal, exit code 2, if it may not. */
export function readWords({ usage, options = {}, words: [least, most] }: Wording, args: readonly string[]) {
  try {
    const { positionals, values } = parseArgs({ args: args.map(shield), options, allowPositionals: true })
    if (positionals.length >= least && positionals.length <= most)
      return { positionals: positionals.map(bare), values: bareAll(values) }
  } catch (error) {
    throw new Refusal(`${(error as Error).message}\nUsage: ${usage}`, 2)
  }
  throw new Refusal(`Usage: ${usage}`, 2)
}

// One id in 64 begins with a hyphen, and is no option: it is read behind a NUL, which no argument of a process holds.
const shield = (arg: string) => (isId(arg) ? `\0${arg}` : arg)
const bare = (word: string) => word.replace(/^\0/, '')
const bareAll = (values: object) =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === 'string' ? bare(value) : Array.isArray(value) ? value.map(bare) : value,
    ]),
  )
