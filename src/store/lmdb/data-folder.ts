import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { RootDatabase } from 'lmdb'
import { BadFolder, hideFromOthers, openFile, refuseSharedFolder } from './folder-access.ts'

// The files of the embedded store, checked before LMDB opens them: it would crash on damaged ones.

const DATA = 'data.mdb'
const MAGIC = 0xbe_ef_c0_de
const MAGIC_AT = 24
/** The first two pages, which tell LMDB where everything is. */
const HEAD_BYTES = 8192
/** Room for about 250 readers at once. */
const LOCK_BYTES = 16_384
const DAMAGED = 'the file data.mdb is damaged or shorter than it was: restore the folder from a backup.'

/** Whether there is a store in the folder. */
export function hasStore(dir: string): boolean {
  return existsSync(join(dir, DATA))
}

/**
 * Makes the folder, for its owner alone, if it does not exist. Throws BadFolder if others may write to it, or its files are not
 * of LMDB.
 */
export async function prepareFolder(dir: string): Promise<void> {
  await makeFolder(dir)
  await refuseSharedFolder(dir)
  if (hasStore(dir)) await refuseForeignFile(dir)
  // LMDB by itself would leave holes in its lock file, and crash when a full disk has no room to fill them.
  await makeOnce(join(dir, 'lock.mdb'), Buffer.alloc(LOCK_BYTES))
}

/** Makes the folder and those above it. Where none can be made, as in /proc, the recursive mkdir of Node would never end. */
async function makeFolder(dir: string): Promise<void> {
  const parent = dirname(dir)
  if (parent !== dir && !existsSync(parent)) await makeFolder(parent)
  await mkdir(dir, { mode: 0o700 }).catch(async (error) => {
    const found = await stat(dir).catch(() => null)
    if (!found?.isDirectory()) throw error
  })
}

/**
 * Makes a file, for its owner alone, if it does not exist: whole or not at all, and synced. Of several processes that try at
 * once, one makes it.
 */
export async function makeOnce(path: string, content: Buffer | string): Promise<void> {
  if (existsSync(path)) return
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await writeFile(draft, content, { mode: 0o600, flag: 'wx', flush: true })
    await link(draft, path)
  } catch (error) {
    if (!existsSync(path)) throw error
  } finally {
    await rm(draft, { force: true })
  }
}

/** Throws BadFolder if the file ends before its last page: LMDB would crash later, when it reads that page. */
export async function refuseCutFile(root: RootDatabase, dir: string): Promise<void> {
  const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number }
  const { size } = await stat(join(dir, DATA))
  if (size >= (lastPageNumber + 1) * pageSize) return
  await root.close()
  throw new BadFolder(DAMAGED)
}

/** Throws BadFolder if the file is not of LMDB; takes away from others what they may do to it. */
async function refuseForeignFile(dir: string): Promise<void> {
  const handle = await openFile(dir, DATA)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
  await hideFromOthers(dir, handle)
  await handle.close()
  const isOurs = bytesRead === HEAD_BYTES && buffer.readUInt32LE(MAGIC_AT) === MAGIC
  if (bytesRead > 0 && !isOurs) throw new BadFolder(DAMAGED)
}
