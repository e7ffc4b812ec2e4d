import { randomBytes } from 'node:crypto'
import { open } from 'lmdb'
import { makeInDoubt, type OnCommand, type StoreCommand, type StoreFailure } from '../in-doubt.ts'
import { keys, rowOf } from '../keys.ts'
import { batchReads } from '../read-batch.ts'
import { shorten } from '../shapes.ts'
import { type Commit, type Entry, put, type Store } from '../store.ts'
import { prepareFolder, refuseCutFile } from './data-folder.ts'
import { makeGate } from './gate.ts'
import { appendRows } from './append-rows.ts'
import { liveRow, read, remove, removeExpired, SWEEP_BATCH, type Tables, tablesOf, write } from './rows.ts'
import { scan } from './scan.ts'
import { countIn, memoryTallies, type Tallies } from './tallies.ts'
import { transactAtOnce, transactIn } from './transact.ts'

/** The folder of the store, and the clock by which values expire. */
export interface LmdbOptions {
  readonly dir: string
  readonly clock: () => number
  /** Every so many ms expired rows are removed; until then they are hidden. 30 s by default. */
  readonly sweepMs?: number
  readonly onCommand?: OnCommand
}

const TALLIES_IN_MEMORY = 100_000
/** The longest key that LMDB takes. */
const MAX_KEY_BYTES = 1978
/**
 * As much of the address space is set aside for the file; it takes neither memory nor disk. By itself lmdb would begin with 128 KiB,
 * and map the file anew each time that another process has made it longer: from two threads at once, without a lock, after
 * which a close unmaps memory that is not its own.
 */
const MAP_BYTES = 2 ** 36

/**
 * Opens the embedded store: one LMDB folder, which the processes of one machine can share. A commit is on disk (fsync) before it is
 * answered, and survives kill -9 and power loss; concurrent commits share one fsync. Throws BadFolder.
 */
export async function openLmdb({ dir, clock, sweepMs = 30_000, onCommand }: LmdbOptions): Promise<Store> {
  const tables = await openTables(dir)
  const gate = makeGate()
  const inDoubt = makeInDoubt('the embedded store failed', failureOf, onCommand)
  const readBatch = batchReads((names) => inDoubt('read', () => gate.pass(() => readFresh(tables, names, clock()))))
  const [passing, lasting] = [memoryTallies(TALLIES_IN_MEMORY), storedTallies(tables)]
  const prefix = randomBytes(6).toString('base64url')
  let commits = 0

  const transact = <T>(command: StoreCommand, work: () => T) =>
    inDoubt(command, () => gate.pass(() => transactIn(tables.root, dir, work)))

  async function sweep(): Promise<void> {
    while ((await transact('sweep', () => removeExpired(tables, clock()))) === SWEEP_BATCH);
  }

  // A failed sweep, as on a full disk, is tried again at the next turn; expired rows are hidden meanwhile.
  const sweeper = setInterval(() => void sweep().catch(() => {}), sweepMs).unref()

  const store: Store = {
    async get(key) {
      const [entry] = await readBatch([key])
      return (entry ?? null) as never
    },
    getMany: (names) => readBatch(names) as never,
    async commit(commit) {
      const version = `${prefix}${(commits += 1)}`
      return transact('commit', () => apply(tables, commit, version, clock()))
    },
    async count(count) {
      if (count.mayBeLost === true) return countIn(passing, count, Date.now())
      return transact('count', () => countIn(lasting, count, Date.now()))
    },
    scan: (walk) => inDoubt('scan', () => gate.pass(() => scan(tables, walk, clock()))),
    faults: () => probe(store),
    weaknesses: async () => [],
    async close() {
      clearInterval(sweeper)
      await gate.close() // lmdb fails, and may crash, when a transaction ends after the close has begun
      await tables.root.close()
    },
  }
  return store
}

async function openTables(dir: string): Promise<Tables> {
  await prepareFolder(dir)
  const root = open({ path: dir, noSubdir: false, overlappingSync: false, mapSize: MAP_BYTES })
  await refuseCutFile(root, dir)
  return transactAtOnce(root, dir, () => tablesOf(root))
}

/** Reads from a new snapshot: another process may have committed since the last one. */
function readFresh(tables: Tables, names: readonly string[], now: number): (Entry<unknown> | null)[] {
  tables.rows.resetReadTxn()
  return names.map((name) => read(tables, name, now))
}

/**
 * Writes a commit; for use inside a transaction. A throw would not roll back LMDB's asynchronous ones, so whatever can fail
 * comes before the first write.
 */
function apply(
  tables: Tables,
  { checks, puts, deletes, extensions = [], append }: Commit,
  version: string,
  now: number,
): boolean {
  const isLost = checks.some((check) => (liveRow(tables, check.key, now)?.version ?? null) !== check.version)
  if (isLost) return false
  const longest = append ? [rowOf(append.log, Number.MAX_SAFE_INTEGER)] : []
  if ([...puts.map(({ key }) => key), ...longest].some((key) => Buffer.byteLength(key) > MAX_KEY_BYTES))
    throw new RangeError('a key is too long')
  for (const key of deletes) remove(tables, key)
  for (const { key, value, expiresAt } of puts) write(tables, key, { version, expiresAt, value: shorten(key, value) })
  for (const { key, expiresAt } of extensions) {
    const row = liveRow(tables, key, now)
    if (row !== undefined) write(tables, key, { ...row, expiresAt })
  }
  if (append) appendRows(tables, append, version, now)
  return true
}

/**
 * The tallies in the rows; for use inside a transaction. They expire by the clock of this machine, as those in Redis do by the
 * clock of Redis.
 */
function storedTallies(tables: Tables): Tallies {
  return {
    get(key) {
      const row = tables.rows.get(key)
      return row && { count: row.value as number, until: row.expiresAt ?? 0 }
    },
    set: (key, { count, until }) => write(tables, key, { version: '', expiresAt: until, value: count }),
  }
}

async function probe(store: Store): Promise<readonly string[]> {
  return store.commit({ checks: [], puts: [put(keys.probe, 0, null)], deletes: [] }).then(
    () => [],
    () => ['the data folder cannot be written'],
  )
}

function failureOf(cause: unknown): StoreFailure {
  return cause instanceof Error && /disk is full|ENOSPC/.test(cause.message) ? 'full' : 'other'
}
