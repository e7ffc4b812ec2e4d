import { carryOutOrder } from '../../src/commands/admin/admin.ts'
import { openClient } from '../../src/commands/admin/client.ts'
import { readConfig } from '../../src/config/environment.ts'
import { Refusal } from '../../src/process/refusal.ts'
import { ADMIN_KEY } from './env.ts'
import type { AdminHome } from './admin.ts'

/** What an order came to: its exit code, and what it printed. */
export interface Ran {
  readonly code: number
  /** The JSON lines of standard output. */
  readonly lines: readonly Record<string, any>[]
  /** Standard error, and the message that the process would end with. */
  readonly errors: string
}

/** A shell of the operator at a listener. */
export type Shell = (words: readonly string[], input?: string) => Promise<Ran>

/** Opens a shell in this process; `ADMIN_KEY` of its environment is the key of tests unless given. */
export function openShell(ADMIN_URL: string, env: Record<string, string> = {}, isWatched = false): Shell {
  return async (words, input = '') => {
    const [printed, told]: [string[], string[]] = [[], []]
    const openDesk = () => ({
      client: openClient(readConfig({ ADMIN_URL, ADMIN_KEY, ...env })),
      out: async (text: string) => void printed.push(text),
      err: (text: string) => void told.push(text),
      isWatched,
      input: async () => input,
    })
    const code = await carryOutOrder(words, openDesk).then(
      () => 0,
      (error: unknown) => {
        if (!(error instanceof Refusal)) throw error
        told.push(error.message)
        return error.exitCode
      },
    )
    const lines = printed.join('').split('\n').slice(0, -1)
    return { code, lines: lines.map((line) => JSON.parse(line)), errors: told.join('') }
  }
}

/** Lets the listener of a home listen, and opens a shell there. */
export async function openHomeShell(
  { adminApp }: AdminHome,
  env: Record<string, string> = {},
  isWatched = false,
): Promise<Shell> {
  return openShell(await adminApp.listen({ host: '127.0.0.1', port: 0 }), env, isWatched)
}
