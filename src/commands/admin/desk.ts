import type { Client } from './client.ts'

/** What an order of the operator works with. */
export interface Desk {
  readonly client: Client
  /** Writes to standard output; resolves when whoever reads it has taken it. */
  readonly out: (text: string) => Promise<void>
  /** Writes to standard error. */
  readonly err: (text: string) => void
  /** Whether a person looks at standard error. */
  readonly isWatched: boolean
  /** Reads standard input to its end. */
  readonly input: () => Promise<string>
}

/** Writes a value as one line of JSON. */
export async function writeLine({ out }: Pick<Desk, 'out'>, value: unknown): Promise<void> {
  await out(`${JSON.stringify(value)}\n`)
}
