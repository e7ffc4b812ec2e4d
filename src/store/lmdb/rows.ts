import type { Database, RootDatabase } from 'lmdb'
import { complete } from '../shapes.ts'
import type { Entry, Key } from '../store.ts'

/** A value as it is stored. */
export interface Row {
  readonly version: string
  readonly expiresAt: number | null
  readonly value: unknown
}

/** The tables of the store. */
export interface Tables {
  readonly root: RootDatabase
  readonly rows: Database<Row, string>
  /** When each row expires, soonest first. */
  readonly expiries: Database<true, [number, string]>
}

/** So many expired rows are removed at once. */
export const SWEEP_BATCH = 1000

/** The tables of the store, made if they are not there; for use inside a transaction. */
export function tablesOf(root: RootDatabase): Tables {
  return {
    root,
    rows: root.openDB({ name: 'rows', encoding: 'json' }),
    expiries: root.openDB({ name: 'expiries', encoding: 'json' }),
  }
}

/** The row under a key; undefined: there is none, or it has expired. */
export function liveRow({ rows }: Tables, key: string, now: number): Row | undefined {
  const row = rows.get(key)
  return row && (row.expiresAt === null || row.expiresAt > now) ? row : undefined
}

/** The entry under a key; null: there is none, or it has expired. */
export function read<T>(tables: Tables, key: Key<T>, now: number): Entry<T> | null {
  const row = liveRow(tables, key, now)
  return row ? { key, value: complete(key, row.value) as T, version: row.version } : null
}

/** Writes a row; for use inside a transaction. */
export function write(tables: Tables, key: string, row: Row): void {
  remove(tables, key)
  void tables.rows.put(key, row)
  if (row.expiresAt !== null) void tables.expiries.put([row.expiresAt, key], true)
}

/** Removes a row, if it is there; for use inside a transaction. */
export function remove({ rows, expiries }: Tables, key: string): void {
  const row = rows.get(key)
  if (row === undefined) return
  if (row.expiresAt !== null) void expiries.remove([row.expiresAt, key])
  void rows.remove(key)
}

/** Removes a batch of expired rows, and returns how many; for use inside a transaction. */
export function removeExpired({ rows, expiries }: Tables, now: number): number {
  const due = [...expiries.getKeys({ end: [now, ''], limit: SWEEP_BATCH })]
  for (const [at, key] of due) {
    void expiries.remove([at, key])
    if (rows.get(key)?.expiresAt === at) void rows.remove(key)
  }
  return due.length
}
