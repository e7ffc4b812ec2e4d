import type { Deps } from '../../deps.ts'
import { type Entry, StoreUnavailable } from '../../store/store.ts'

/**
 * The identity that the store was found to have; throws StoreUnavailable unless it is `known`: that under which our keys, or a
 * token, came from the store.
 */
export function demandIdentity({ keyring }: Deps, found: Entry<string> | null, known: string | null): string {
  if (found !== null && found.value === known) return found.value
  void keyring.reload().catch(() => {}) // tells what is of the store that is gone from what is of the one that is there
  throw new StoreUnavailable('this is not the store it was')
}
