import type { Deps } from '../../deps.ts'
import { type Entry, StoreUnavailable } from '../../store/store.ts'

/**
 * The identity that was found in the store, if it is the `known` one, under which our keys or a token came from the store. Throws
 * StoreUnavailable otherwise: the store has been replaced, or everything has been revoked.
 */
export function demandIdentity({ keyring }: Deps, found: Entry<string> | null, known: string | null): string {
  if (found !== null && found.value === known) return found.value
  void keyring.reload().catch(() => {}) // the keys of the store that is there now
  throw new StoreUnavailable('this is not the store it was')
}
