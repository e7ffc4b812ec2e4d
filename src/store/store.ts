// The store port: a small key-value store with optimistic commits. Absence is a value, a lost race is a value, failure is an error.

/** A key and the type that lives under it; made only in keys.ts. All keys with the same `{tag}` can be committed together. */
export type Key<T> = string & { readonly holds?: T }

/** What was read, and the version that a later commit can check. */
export interface Entry<T> {
  readonly key: Key<T>
  readonly value: T
  readonly version: string
}

/** A commit goes through only if the key is still at this version; null: only if it is absent. An entry is a check of itself. */
export interface Check {
  readonly key: string
  readonly version: string | null
}

/** A value to write, and when it vanishes by itself (ms since the epoch; null: never). */
export interface Put {
  readonly key: string
  readonly value: unknown
  readonly expiresAt: number | null
}

/** A value to keep as it is, and when it vanishes from now on; nothing where there is none. */
export interface Extension {
  readonly key: string
  readonly expiresAt: number
}

/** Keys of one tag, changed together or not at all. */
export interface Commit {
  readonly checks: readonly Check[]
  readonly puts: readonly Put[]
  readonly deletes: readonly string[]
  readonly extensions?: readonly Extension[]
  /** The failover of a replicated store may lose it: set where that does no harm, and no replica is waited for. */
  readonly mayBeLost?: true
}

/** A key that something is counted under; made only in keys.ts. */
export type CounterKey = string & { readonly counts?: never }

/** At most `count` under the key in a window that begins with the first of them and lasts `windowMs`. */
export interface Counter {
  readonly key: CounterKey
  readonly count: number
  readonly windowMs: number
}

/** Counters of one tag, counted on together or not at all. */
export interface Count {
  readonly counters: readonly Counter[]
  /** Whether to add one to each, or only to look. */
  readonly adds: boolean
  /** The end of the process may lose it: set where that does no harm, and the embedded store keeps it in this process's memory. */
  readonly mayBeLost?: true
}

/** The first counter that is used up, by its place, and for how long it still is. */
export interface UsedUp {
  readonly place: number
  readonly leftMs: number
}

/** Every method rejects with StoreUnavailable, and nothing else, when the store failed or its answer is in doubt. */
export interface Store {
  /** Null: absent or expired. */
  get<T>(key: Key<T>): Promise<Entry<T> | null>
  /** The entries in the order of the keys; in one round trip where the keys share a tag. */
  getMany<const K extends readonly Key<unknown>[]>(keys: K): Promise<Entries<K>>
  /** False: a check lost, nothing was written. True: all of it is written, as durably as the store does it. */
  commit(commit: Commit): Promise<boolean>
  /** Null: no counter is used up, and each has counted one more if it was to. Sees every count that was sent before. */
  count(count: Count): Promise<UsedUp | null>
  /** What keeps the store from being relied on, in words for an operator; empty: nothing. Never rejects. */
  faults(): Promise<readonly string[]>
  /** What makes the store promise less than it could, in words for an operator; empty: nothing, or it cannot be asked. Never rejects. */
  weaknesses(): Promise<readonly string[]>
  close(): Promise<void>
}

export type Entries<K extends readonly Key<unknown>[]> = {
  -readonly [I in keyof K]: K[I] extends Key<infer T> ? Entry<T> | null : never
}

/** The store failed or its answer is in doubt: the caller says 503, never yes and never no. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}

/** A typed put. */
export function put<T>(key: Key<T>, value: NoInfer<T>, expiresAt: number | null): Put {
  return { key, value, expiresAt }
}

/** A check that nothing lives under the key. */
export function absent(key: string): Check {
  return { key, version: null }
}

/** A check that the key is as it was read. */
export function unchanged(key: string, entry: Entry<unknown> | null): Check {
  return { key, version: entry?.version ?? null }
}
