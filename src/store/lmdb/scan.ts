import type { Page, Walk } from '../store.ts'
import { liveRow, type Tables } from './rows.ts'

/** Looks at the next keys in their order; the cursor is the last one. Those that have expired are not met. */
export function scan(tables: Tables, { ending, cursor, count }: Walk, now: number): Page {
  tables.rows.resetReadTxn()
  const last = cursor === null ? null : readCursor(cursor)
  const from = last === null ? {} : { start: last }
  const looked = [...tables.rows.getKeys({ ...from, limit: count + 1 })].filter((key) => key !== last).slice(0, count)
  const met = looked.filter((key) => key.endsWith(ending) && liveRow(tables, key, now) !== undefined)
  const at = looked.at(-1)
  return { keys: met, next: at === undefined ? null : writeCursor(at) }
}

function writeCursor(key: string): string {
  return Buffer.from(key).toString('base64url')
}

/** The key in a cursor; null: it is none. */
function readCursor(cursor: string): string | null {
  const key = Buffer.from(cursor, 'base64url').toString('utf8')
  return writeCursor(key) === cursor ? key : null
}
