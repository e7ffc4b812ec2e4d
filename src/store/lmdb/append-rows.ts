import { lastOf, LOG_ROWS, rowOf } from '../keys.ts'
import { shorten } from '../shapes.ts'
import type { Append } from '../store.ts'
import { liveRow, remove, type Tables, write } from './rows.ts'

/** Writes rows at the end of a log, whose place is kept as long as any row; for use inside a transaction. */
export function appendRows(tables: Tables, { log, rows, expiresAt }: Append, version: string, now: number): void {
  const last = liveRow(tables, lastOf(log), now)
  let place = (last?.value ?? 0) as number
  for (const row of rows) {
    place += 1
    write(tables, rowOf(log, place), { version, expiresAt, value: shorten(log, row) })
    remove(tables, rowOf(log, place - LOG_ROWS))
  }
  write(tables, lastOf(log), { version, expiresAt: Math.max(expiresAt, last?.expiresAt ?? 0), value: place })
}
