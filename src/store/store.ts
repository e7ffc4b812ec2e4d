// The store port: a small key-value store with optimistic commits. An absent key and a lost race are values; a failure is an error.

/** A key, and the type of its values; made only in keys.ts. Keys with the same `{tag}` can be committed together. */
export type Key<T> = string & { readonly holds?: T }

/** A value that was read, and its version, which a later commit can check. */
export interface Entry<T> {
  readonly key: Key<T>
  readonly value: T
  readonly version: string
}

/**
 * Lets a commit through only if the key still has this version; null: only if the key is absent. An entry that was read is its
 * own check.
 */
export interface Check {
  readonly key: string
  readonly version: string | null
}

/** A value to write, and when it expires (ms since the epoch; null: never). */
export interface Put {
  readonly key: string
  readonly value: unknown
  readonly expiresAt: number | null
}

/** Moves the expiry of a value (ms since the epoch) and keeps the value; does nothing if there is none. */
export interface Extension {
  readonly key: string
  readonly expiresAt: number
}

/** A log: rows one behind the other, each under a key of its own; made only in keys.ts. */
export type Log<T> = string & { readonly logs?: T }

/**
 * Rows for the end of a log. The commit itself gives each its place, so that no two that append at the same time are in each
 * other's way. A log keeps its last LOG_ROWS, and knows its last place for as long as any row is there.
 */
export interface Append {
  readonly log: Log<unknown>
  readonly rows: readonly unknown[]
  readonly expiresAt: number
}

/** Changes to keys of one tag, made together or not at all. */
export interface Commit {
  readonly checks: readonly Check[]
  readonly puts: readonly Put[]
  readonly deletes: readonly string[]
  readonly extensions?: readonly Extension[]
  readonly append?: Append
  /** A failover of the store may lose this commit, which does no harm: it is answered without waiting for replicas. */
  readonly mayBeLost?: true
}

/** The key of a counter; made only in keys.ts. */
export type CounterKey = string & { readonly counts?: never }

/** Counts to `count` at most, in a window of `windowMs` that begins with the first count. */
export interface Counter {
  readonly key: CounterKey
  readonly count: number
  readonly windowMs: number
}

/** Counters of one tag, each counted one further, or none of them. */
export interface Count {
  readonly counters: readonly Counter[]
  /** Whether to count, or only to ask. */
  readonly adds: boolean
  /** The end of the process may lose this count, which does no harm: the embedded store keeps it in the memory of the process. */
  readonly mayBeLost?: true
}

/** The index of the first counter that is used up, and for how many ms it still is. */
export interface UsedUp {
  readonly place: number
  readonly leftMs: number
}

/** A step of a walk over all keys that end so. */
export interface Walk {
  readonly ending: string
  /** What the last page said; null: the walk begins. */
  readonly cursor: string | null
  /** About how many keys, of any kind, are looked at. */
  readonly count: number
}

/** Some of the keys that a walk meets, and where it goes on; null: it is over. */
export interface Page {
  readonly keys: readonly string[]
  readonly next: string | null
}

/**
 * A store. When it fails, or its answer is in doubt, `get`, `getMany`, `commit`, `count` and `scan` reject with
 * StoreUnavailable, and with nothing else.
 */
export interface Store {
  /** Reads one entry; null: the key is absent or expired. */
  get<T>(key: Key<T>): Promise<Entry<T> | null>
  /** Reads entries, in the order of the keys. Those that share a tag come in one round trip, as they were at one moment. */
  getMany<const K extends readonly Key<unknown>[]>(keys: K): Promise<Entries<K>>
  /** True: all of it is written, as durably as the store can. False: a check lost, and nothing is written. */
  commit(commit: Commit): Promise<boolean>
  /**
   * Null: no counter was used up, and each has counted one if `adds`. Otherwise nothing is counted. Sees every count that was
   * sent before.
   */
  count(count: Count): Promise<UsedUp | null>
  /**
   * Goes a step of a walk. Every key that is there throughout is met, at least once: if the servers have changed meanwhile, the walk
   * begins anew, and so it does at a cursor that is none.
   */
  scan(walk: Walk): Promise<Page>
  /** Why the store cannot be relied on, in words for an operator; empty: it can. Never rejects. */
  faults(): Promise<readonly string[]>
  /**
   * Why the store promises less than it could, in words for an operator; empty: it does not, or it cannot be asked. Never
   * rejects.
   */
  weaknesses(): Promise<readonly string[]>
  close(): Promise<void>
}

/** The types of the entries under these keys. */
export type Entries<K extends readonly Key<unknown>[]> = {
  -readonly [I in keyof K]: K[I] extends Key<infer T> ? Entry<T> | null : never
}

/** The store failed, or its answer is in doubt: the client is answered 503, never yes and never no. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}

/** Makes a put whose value is of the type of its key. */
export function put<T>(key: Key<T>, value: NoInfer<T>, expiresAt: number | null): Put {
  return { key, value, expiresAt }
}

/** Makes an append whose rows are of the type of their log. */
export function append<T>(log: Log<T>, rows: readonly NoInfer<T>[], expiresAt: number): Append {
  return { log, rows, expiresAt }
}

/** Makes a check that the key is absent. */
export function absent(key: string): Check {
  return { key, version: null }
}

/** Makes a check that the key is as it was read: at that version, or absent. */
export function unchanged<K extends string>(key: K, entry: Entry<unknown> | null): Check & { readonly key: K } {
  return { key, version: entry?.version ?? null }
}
