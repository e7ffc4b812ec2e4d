import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { join } from 'node:path'

// Who else may look into the folder of an embedded store. A system without owners and modes says nothing of that.

/** What is wrong with DATA_DIR and what to do, for an operator. */
export class BadFolder extends Error {
  override readonly name = 'BadFolder'
}

/** Refuses a folder that others may write: they could put another secret or another store in the place of ours. */
export async function refuseSharedFolder(dir: string): Promise<void> {
  const me = process.geteuid?.()
  if (me === undefined) return
  const found = await stat(dir)
  if ((found.mode & othersOf(found) & 0o022) !== 0)
    throw new BadFolder(`others may write ${dir} (mode ${octal(found)}): chmod go-w it, or name a folder in it.`)
  if (found.uid !== me && found.uid !== 0 && !isOurGroups(found))
    throw new BadFolder(`${dir} belongs to user ${found.uid}: chown it to ${me}, or name another folder.`)
}

/** Reads a secret that is kept in the folder; refuses one that is another's, or that others may read. */
export async function readOwnSecret(dir: string, name: string): Promise<string> {
  const handle = await openFile(dir, name)
  try {
    const [found, me] = [await handle.stat(), process.geteuid?.() ?? null]
    if (me !== null && found.uid !== me)
      throw new BadFolder(`the file ${name} belongs to user ${found.uid}: chown it to ${me}, or set AUTH_SECRET.`)
    if (me !== null && (found.mode & (await othersIn(dir, found))) !== 0)
      throw new BadFolder(`others may read ${name} (mode ${octal(found)}): chmod 600 it.`)
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

/** Takes from others what they may do to a file of ours, which was made by an older version or copied back from a backup. */
export async function hideFromOthers(dir: string, handle: FileHandle): Promise<void> {
  const found = await handle.stat()
  const mode = found.mode & ~(await othersIn(dir, found))
  if (process.geteuid?.() === found.uid && mode !== found.mode) await handle.chmod(mode & 0o777)
}

/** Opens a file to read it; what is no file is refused, and does not keep us waiting as a pipe would. */
export async function openFile(dir: string, name: string): Promise<FileHandle> {
  const handle = await open(join(dir, name), constants.O_RDONLY | constants.O_NONBLOCK)
  if ((await handle.stat()).isFile()) return handle
  await handle.close()
  throw new BadFolder(`${name} is not a file.`)
}

/** The bits of a mode by which others get at a file of the folder. */
async function othersIn(dir: string, { gid }: Stats): Promise<number> {
  const folder = await stat(dir)
  return folder.gid === gid ? othersOf(folder) : 0o077
}

function othersOf(folder: Stats): number {
  return isOurGroups(folder) ? 0o007 : 0o077
}

/** Whether the folder was given to a group on purpose, with us in it, as Kubernetes gives a volume to its fsGroup: its files go to that group, too (setgid). */
function isOurGroups({ mode, gid }: Stats): boolean {
  return (mode & 0o2000) !== 0 && process.getgroups?.().includes(gid) === true
}

function octal({ mode }: Stats): string {
  return (mode & 0o7777).toString(8)
}
