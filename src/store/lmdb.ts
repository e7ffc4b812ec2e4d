import { randomBytes } from 'node:crypto'
import { chmod, mkdir } from 'node:fs/promises'
import type { Database } from 'lmdb'
import { open } from 'lmdb'
import type { Check, Commit, Entry, Key, Put, Store } from './store.ts'
import { StoreUnavailable } from './store.ts'

interface Row {
  readonly version: string
  readonly expiresAt: number | null
  readonly value: unknown
}

export interface LmdbOptions {
  readonly dir: string
  readonly clock: () => number
  /** How often expired rows are removed; until then they are only not seen. */
  readonly sweepMs?: number
}

const SWEEP_BATCH = 1000

/**
 * The embedded store: one LMDB folder, shared by the processes of one machine. A commit is on disk (fsync) before it is
 * answered and survives kill -9 and power loss; concurrent commits share one fsync.
 */
export async function openLmdb({ dir, clock, sweepMs = 30_000 }: LmdbOptions): Promise<Store> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await chmod(dir, 0o700)
  const root = open({ path: dir, noSubdir: false, overlappingSync: false })
  const rows: Database<Row, string> = root.openDB({ name: 'rows' })
  const expiries: Database<true, [number, string]> = root.openDB({ name: 'expiries', encoding: 'json' })
  const prefix = randomBytes(6).toString('base64url')
  let commits = 0

  function live(key: string): Row | undefined {
    const row = rows.get(key)
    return row && (row.expiresAt === null || row.expiresAt > clock()) ? row : undefined
  }

  function read<T>(key: Key<T>): Entry<T> | null {
    const row = live(key)
    return row ? { key, value: row.value as T, version: row.version } : null
  }

  function holds({ key, version }: Check): boolean {
    return (live(key)?.version ?? null) === version
  }

  function remove(key: string): void {
    const row = rows.get(key)
    if (row && row.expiresAt !== null) void expiries.remove([row.expiresAt, key])
    if (row) void rows.remove(key)
  }

  function write({ key, value, expiresAt }: Put, version: string): void {
    remove(key)
    void rows.put(key, { version, expiresAt, value })
    if (expiresAt !== null) void expiries.put([expiresAt, key], true)
  }

  // A throw would not roll back in LMDB's asynchronous transactions: check everything first, then write.
  function apply({ checks, puts, deletes }: Commit): boolean {
    if (!checks.every(holds)) return false
    const version = `${prefix}${(commits += 1)}`
    for (const key of deletes) remove(key)
    for (const put of puts) write(put, version)
    return true
  }

  function removeExpired(): number {
    const due = [...expiries.getKeys({ end: [clock(), ''], limit: SWEEP_BATCH })]
    for (const [at, key] of due) {
      void expiries.remove([at, key])
      if (rows.get(key)?.expiresAt === at) void rows.remove(key)
    }
    return due.length
  }

  async function sweep(): Promise<void> {
    while ((await root.transaction(removeExpired)) === SWEEP_BATCH);
  }

  // A failed sweep, as on a full disk, is tried again at the next turn: an expired row is not seen meanwhile.
  const sweeper = setInterval(() => void sweep().catch(() => {}), sweepMs).unref()

  return {
    async get(key) {
      return inDoubt(() => {
        rows.resetReadTxn()
        return read(key)
      })
    },
    async getMany(keys) {
      return inDoubt(() => {
        rows.resetReadTxn() // another process may have committed since
        return keys.map((key) => read(key)) as never
      })
    },
    async commit(commit) {
      return inDoubt(() => root.transaction(() => apply(commit)))
    },
    async faults() {
      return inDoubt(() => rows.getStats()).then(
        () => [],
        () => ['the data folder cannot be read'],
      )
    },
    async close() {
      clearInterval(sweeper)
      await root.close()
    },
  }
}

async function inDoubt<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new StoreUnavailable('the embedded store failed', { cause })
  }
}
