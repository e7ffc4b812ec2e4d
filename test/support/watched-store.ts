import type { Commit, Count, Key, Store } from '../../src/store/store.ts'

/** A command that somebody gives to the store. */
export type Command =
  | { readonly kind: 'get'; readonly key: Key<unknown> }
  | { readonly kind: 'getMany'; readonly keys: readonly Key<unknown>[] }
  | { readonly kind: 'commit'; readonly commit: Commit }
  | { readonly kind: 'count'; readonly count: Count }

/** Stands between the service and its store: carries a command out by `run`, or late, or not, or says something else. */
export type Watch = <T>(command: Command, run: () => Promise<T>) => Promise<T>

/** A store that can be watched while it works: `watch` is what stands between from then on, null: nothing. */
export interface Watched {
  readonly around: (real: Store) => Store
  watch: Watch | null
}

/** Makes one; `around` goes to openHome. */
export function makeWatched(): Watched {
  const watched: Watched = {
    watch: null,
    around(real) {
      const pass: Watch = (command, run) => (watched.watch === null ? run() : watched.watch(command, run))
      return {
        ...real,
        get: (key) => pass({ kind: 'get', key }, () => real.get(key)),
        getMany: (keys) => pass({ kind: 'getMany', keys }, () => real.getMany(keys)),
        commit: (commit) => pass({ kind: 'commit', commit }, () => real.commit(commit)),
        count: (count) => pass({ kind: 'count', count }, () => real.count(count)),
      }
    },
  }
  return watched
}

/** The keys that a command reads or writes. */
export function keysOf(command: Command): readonly string[] {
  if (command.kind === 'get') return [command.key]
  if (command.kind === 'getMany') return command.keys
  if (command.kind === 'count') return command.count.counters.map(({ key }) => key)
  const { checks, puts, deletes } = command.commit
  return [...checks.map(({ key }) => key), ...puts.map(({ key }) => key), ...deletes]
}
