import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { RootDatabase } from 'lmdb'
import { BadFolder, hideFromOthers, openFile, refuseSharedFolder } from './folder-access.ts'

// The files of the embedded store, kept so that LMDB meets none it would crash on.

const DATA = 'data.mdb'
const MAGIC = 0xbe_ef_c0_de
const MAGIC_AT = 24
/** Two pages tell LMDB where everything is. */
const HEAD_BYTES = 8192
/** Room for about 250 readers at once. */
const LOCK_BYTES = 16_384
const DAMAGED = 'the file data.mdb is damaged or shorter than it was: restore the folder from a backup.'

/** Whether there is a store in the folder. */
export function hasStore(dir: string): boolean {
  return existsSync(join(dir, DATA))
}

/** Makes the folder, its owner's alone, if it is not there; refuses one that others may write, and one whose files are not LMDB's. */
export async function prepareFolder(dir: string): Promise<void> {
  await makeFolder(dir)
  await refuseSharedFolder(dir)
  if (hasStore(dir)) await refuseForeignFile(dir)
  // LMDB would leave holes in its lock file, and crash where a full disk has no room to fill one.
  await makeOnce(join(dir, 'lock.mdb'), Buffer.alloc(LOCK_BYTES))
}

/** Makes the folder and those above it. Node's own recursive mkdir never ends where none can be made, as in /proc. */
async function makeFolder(dir: string): Promise<void> {
  const parent = dirname(dir)
  if (parent !== dir && !existsSync(parent)) await makeFolder(parent)
  await mkdir(dir, { mode: 0o700 }).catch(async (error) => {
    const found = await stat(dir).catch(() => null)
    if (!found?.isDirectory()) throw error
  })
}

/** Makes a file, its owner's alone, if it is not there: whole or not at all, on disk, by one of many who try at once. */
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

/** Refuses a file that ends before its last page: LMDB would crash when it comes there, in the middle of the service. */
export async function refuseCutFile(root: RootDatabase, dir: string): Promise<void> {
  const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number }
  const { size } = await stat(join(dir, DATA))
  if (size >= (lastPageNumber + 1) * pageSize) return
  await root.close()
  throw new BadFolder(DAMAGED)
}

async function refuseForeignFile(dir: string): Promise<void> {
  const handle = await openFile(dir, DATA)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
  await hideFromOthers(dir, handle)
  await handle.close()
  const isOurs = bytesRead === HEAD_BYTES && buffer.readUInt32LE(MAGIC_AT) === MAGIC
  if (bytesRead > 0 && !isOurs) throw new BadFolder(DAMAGED)
}
