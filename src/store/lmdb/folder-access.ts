import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { join } from 'node:path'

// Who may read and write the folder of an embedded store. On a system without owners and modes nothing is checked.

/** The data folder is at fault; the message tells an operator what is wrong and what to do. */
export class BadFolder extends Error {
  override readonly name = 'BadFolder'
}

/** Throws BadFolder if others may write to the folder: they could put another secret or another store in the place of ours. */
export async function refuseSharedFolder(dir: string): Promise<void> {
  const me = process.geteuid?.()
  if (me === undefined) return
  const found = await stat(dir)
  if ((found.mode & othersOf(found) & 0o022) !== 0)
    throw new BadFolder(`others may write ${dir} (mode ${octal(found)}): chmod go-w it, or name a folder in it.`)
  if (found.uid !== me && found.uid !== 0 && !isOurGroups(found))
    throw new BadFolder(`${dir} belongs to user ${found.uid}: chown it to ${me}, or name another folder.`)
}

/** Reads a secret in the folder. Throws BadFolder if the file belongs to another user, or others may read it. */
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

/** Takes away what others may do to a file of ours: an older version made it so, or a backup brought it back so. */
export async function hideFromOthers(dir: string, handle: FileHandle): Promise<void> {
  const found = await handle.stat()
  const mode = found.mode & ~(await othersIn(dir, found))
  if (process.geteuid?.() === found.uid && mode !== found.mode) await handle.chmod(mode & 0o777)
}

/** Opens a file to read it. Throws BadFolder if it is no regular file, and does not wait, as opening a pipe would. */
export async function openFile(dir: string, name: string): Promise<FileHandle> {
  const handle = await open(join(dir, name), constants.O_RDONLY | constants.O_NONBLOCK)
  if ((await handle.stat()).isFile()) return handle
  await handle.close()
  throw new BadFolder(`${name} is not a file.`)
}

/** The mode bits that give others access to a file of the folder. */
async function othersIn(dir: string, { gid }: Stats): Promise<number> {
  const folder = await stat(dir)
  return folder.gid === gid ? othersOf(folder) : 0o077
}

function othersOf(folder: Stats): number {
  return isOurGroups(folder) ? 0o007 : 0o077
}

/**
 * Whether the folder is for a group that we are in, on purpose: it is setgid, so that its files belong to the group, too.
 * Kubernetes gives a volume to its fsGroup so.
 */
function isOurGroups({ mode, gid }: Stats): boolean {
  return (mode & 0o2000) !== 0 && process.getgroups?.().includes(gid) === true
}

function octal({ mode }: Stats): string {
  return (mode & 0o7777).toString(8)
}
