import { denialOf } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import type { Meters } from './meters.ts'

/** The store, with a count of the denials that its commits have written. */
export function countDenials(store: Store, { denials }: Pick<Meters, 'denials'>): Store {
  return {
    ...store,
    async commit(commit) {
      const isWon = await store.commit(commit)
      const written = isWon ? commit.puts.map(({ key }) => denialOf(key)) : []
      for (const kind of written) if (kind !== null) denials.add(kind)
      return isWon
    },
  }
}
