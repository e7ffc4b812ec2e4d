import { setTimeout as wait } from 'node:timers/promises'
import type { Keyring } from '../auth/keys/keyring.ts'

/** Resolves when the signing keys are loaded, or after `patienceMs`. */
export async function awaitKeys(keyring: Keyring, patienceMs: number): Promise<void> {
  const giveUpAt = performance.now() + patienceMs
  while (keyring.fault() !== null && performance.now() < giveUpAt) await wait(20)
}
