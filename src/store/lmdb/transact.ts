import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { RootDatabase } from 'lmdb'
import { demandRoom } from './disk-room.ts'

// While one process opens the folder and another commits, lmdb can forget that commit: at the open it reads from the data file
// which transaction is the newest, and a little later writes that into the lock file, without a lock. Whoever writes next would begin
// from an older state, and write over pages of the newer one.

/** Where the lock file tells the newest transaction: after two numbers of 32 bits. */
const NEWEST_AT = 8
/** Each try but the last has met another process that was just opening the folder. */
const MOST_TRIES = 100
const BEYOND_REPAIR = 'the lock file cannot be put right'

/** Runs the work in a transaction, if the disk of the folder has room for what it writes. */
export async function transactIn<T>(root: RootDatabase, dir: string, work: () => T): Promise<T> {
  demandRoom(dir)
  const attempt = attemptOf(root, dir, work)
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const done = await root.transaction(attempt)
    if (done !== null) return done.result
  }
  throw new Error(BEYOND_REPAIR)
}

/** As `transactIn`, while everything else in this process waits; for what is done once, at the start. */
export function transactAtOnce<T>(root: RootDatabase, dir: string, work: () => T): T {
  const attempt = attemptOf(root, dir, work)
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const done = root.transactionSync(attempt)
    if (done !== null) return done.result
  }
  throw new Error(BEYOND_REPAIR)
}

/** Makes what is done in a transaction: the work, or null if the transaction has begun too early and must be tried again. */
function attemptOf<T>(root: RootDatabase, dir: string, work: () => T): () => { readonly result: T } | null {
  return () => (isOnNewest(root, dir) ? { result: work() } : null)
}

/**
 * Whether this transaction has begun from the newest state; call it in a transaction, before its first write. If not, the lock
 * file is put right, and the next transaction will: this one must write nothing.
 */
function isOnNewest(root: RootDatabase, dir: string): boolean {
  const newest = newestIn(root)
  if (root.getWriteTxnId() === newest + 1) return true
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(newest))
  writeSync(lockFileIn(dir), bytes, 0, bytes.length, NEWEST_AT)
  return false
}

/** The newest transaction by the data file. Nobody can add one while we are in a transaction. */
function newestIn(root: RootDatabase): number {
  const { env } = root as unknown as { env: { info: () => { lastTxnId: number } } }
  return env.info().lastTxnId
}

const lockFiles = new Map<string, number>()

/** The lock file, opened; it stays open: to close it would take away the locks that this process has on it. */
function lockFileIn(dir: string): number {
  const file = lockFiles.get(dir) ?? openSync(join(dir, 'lock.mdb'), 'r+')
  lockFiles.set(dir, file)
  return file
}
