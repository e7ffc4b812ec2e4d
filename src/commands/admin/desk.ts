import { type Ask, type Client, insist, NotThere, PATIENCE_MS } from './client.ts'

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

/** Asks until it is answered. One that has been done is done again: none of these harms. */
export async function ask({ client }: Pick<Desk, 'client'>, asked: Ask): Promise<string> {
  return insist(() => client.ask(asked), PATIENCE_MS.short)
}

/** Removes what is at the path. Throws NotThere if there is nothing. */
export async function removeAt({ client }: Pick<Desk, 'client'>, path: string): Promise<void> {
  let tries = 0
  await insist(async () => {
    tries += 1
    await client.ask({ method: 'DELETE', path }).catch((error) => {
      if (tries === 1 || !(error instanceof NotThere)) throw error // else an earlier try has done it
    })
  }, PATIENCE_MS.short)
}
