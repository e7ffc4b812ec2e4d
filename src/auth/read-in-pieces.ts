import type { Entry, Key, Store } from '../store/store.ts'

/** So many entries are read at once: other requests wait while they are decoded. */
const PIECE = 500

/** Reads entries, however many, in pieces; those that are absent are left out. */
export async function readInPieces<T>(store: Store, keys: readonly Key<T>[]): Promise<Entry<T>[]> {
  const found: Entry<T>[] = []
  for (let at = 0; at < keys.length; at += PIECE) {
    const entries: readonly (Entry<T> | null)[] = await store.getMany(keys.slice(at, at + PIECE))
    found.push(...entries.filter((entry) => entry !== null))
  }
  return found
}
