import type { Config } from '../config/environment.ts'
import type { Output } from '../process/output.ts'
import { Refusal } from '../process/refusal.ts'
import { awaitKeys } from './await-keys.ts'
import { withStore, PATIENCE_MS } from './with-store.ts'

/** Makes the next signing key sign from now on, on all instances. Throws Refusal while that key is too new. */
export async function rotateKeys(config: Config, output: Output): Promise<void> {
  await withStore(config, output, async ({ keyring, store }, place) => {
    await awaitKeys(keyring, PATIENCE_MS)
    const fault = keyring.fault()
    if (fault !== null) throw new Refusal(`${place}: ${[...(await store.faults()), fault].join('; ')}`)
    if (!(await keyring.rotate()))
      throw new Refusal('The next key has not been published for five minutes yet: try again then.')
  })
}
