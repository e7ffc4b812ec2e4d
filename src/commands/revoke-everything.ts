import { setTimeout as wait } from 'node:timers/promises'
import { UnreadableKeys } from '../auth/keys/signing-ring.ts'
import type { Config } from '../config/environment.ts'
import type { Output } from '../process/output.ts'
import { Refusal } from '../process/refusal.ts'
import { withStore, PATIENCE_MS } from './with-store.ts'

const SECRET_IS_LOST = '--secret-is-lost'

/**
 * Ends every session and revokes every token, for an operator who has restored a backup or lost AUTH_SECRET. Tries until the
 * store answers, PATIENCE_MS at most.
 */
export async function revokeEverything(config: Config, output: Output, words: readonly string[]): Promise<void> {
  const isSecretLost = words.includes(SECRET_IS_LOST)
  await withStore(config, output, async ({ keyring }, place) => {
    const giveUpAt = performance.now() + PATIENCE_MS
    while (!(await isDone(keyring.revokeEverything({ isSecretLost })))) {
      if (performance.now() > giveUpAt)
        throw new Refusal(`${place} does not answer. It is not known whether anything is revoked: run this again.`)
      await wait(100)
    }
    output.write(`${place}: every token and session of until now is dead. Everybody logs in again.\n`)
  })
}

/** Whether the work succeeded; throws Refusal if trying again cannot help. */
async function isDone(work: Promise<void>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if (error instanceof UnreadableKeys)
      throw new Refusal(`Nothing is revoked: ${error.message}, or, if it is lost, add ${SECRET_IS_LOST}.`)
    return false
  }
}
