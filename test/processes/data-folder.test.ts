import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { startChild } from '../support/child.ts'
import { TEST_SECRET } from '../support/env.ts'
import { startService } from '../support/service.ts'

// Whose the folder of an embedded store may be, and who may look into it.

const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))
const SOMEBODY_ELSE = 12_345
const isRoot = process.geteuid?.() === 0
const modeOf = async (path: string) => (await stat(path)).mode & 0o7777

async function folder(t: Test, mode = 0o700): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-folder-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  await chmod(dir, mode)
  return dir
}

/** A folder with a store and a secret in it. */
async function usedFolder(t: Test): Promise<string> {
  const dir = await folder(t)
  await isTaken(t, dir)
  return dir
}

/** The process starts with that folder, under a umask that hides nothing. */
async function isTaken(t: Test, dir: string, env: Record<string, string> = {}): Promise<void> {
  const command = ['/bin/sh', '-c', 'umask 000; exec "$0" "$1"', process.execPath, MAIN]
  const service = await startService({ DATA_DIR: dir, ...env }, { command })
  t.equal(await service.stop('SIGINT'), 0)
}

/** The start is refused in one line which says that; at once, whatever it is that stands there. */
async function isRefused(t: Test, dir: string, line: RegExp, ...command: string[]): Promise<void> {
  const env = { PATH: process.env['PATH'], DATA_DIR: dir, PORT: '0' }
  const child = startChild([process.execPath, MAIN, ...command], env)
  const stuck = setTimeout(() => void child.end('SIGKILL'), 8000)
  t.equal(await child.exited, 1)
  clearTimeout(stuck)
  t.match(child.lines(), [line])
  t.equal(child.lines().length, 1)
}

t.test('what it makes is its own, whatever the umask it is started with', async (t) => {
  const dir = join(await folder(t), 'above', 'data')
  await isTaken(t, dir)
  const made = [join(dir, '..'), dir, ...(await readdir(dir)).map((file) => join(dir, file))]
  t.equal(made.length, 5)
  for (const path of made) t.equal((await modeOf(path)) & 0o077, 0, path)
})

t.test('a folder that it has not made keeps its mode, though others may look into it', async (t) => {
  for (const mode of [0o755, 0o750, 0o500 | 0o200]) {
    const dir = await folder(t, mode)
    await isTaken(t, dir)
    t.equal(await modeOf(dir), mode)
  }
})

t.test('a folder that others may write is refused, with what to do, and stays as it is', async (t) => {
  for (const mode of [0o777, 0o1777, 0o775, 0o707, 0o770]) {
    const dir = await folder(t, mode)
    await isRefused(t, dir, new RegExp(`^DATA_DIR: .* ${dir} .*\\b${mode.toString(8)}\\b.*chmod go-w`))
    t.equal(await modeOf(dir), mode)
    t.strictSame(await readdir(dir), [])
  }
  const dir = await usedFolder(t)
  await symlink(dir, `${dir}-link`)
  t.teardown(() => rm(`${dir}-link`))
  await isTaken(t, `${dir}-link`)
  await chmod(dir, 0o777)
  await isRefused(t, `${dir}-link`, /^DATA_DIR: .*chmod/)
  await isRefused(t, dir, /^DATA_DIR: .*chmod/, 'rotate-keys')
  await isRefused(t, dir, /^DATA_DIR: .*chmod/, 'revoke-everything')
  const below = await folder(t, 0o1777)
  await isTaken(t, join(below, 'data'))
})

t.test('a folder that was given to a group of its own is taken, as Kubernetes gives one by fsGroup', async (t) => {
  const gid = process.getgroups?.().at(-1) as number
  const dir = await folder(t)
  await chown(dir, process.geteuid?.() as number, gid)
  await chmod(dir, 0o2775)
  await isTaken(t, dir)
  // At each mount all files are opened to the group.
  for (const file of await readdir(dir)) await chmod(join(dir, file), 0o660)
  await isTaken(t, dir)
  t.equal(await modeOf(dir), 0o2775)
  await chmod(join(dir, 'auth-secret'), 0o664)
  await isRefused(t, dir, /^DATA_DIR: .*auth-secret.*chmod 600/)
  await chmod(join(dir, 'auth-secret'), 0o660)
  await chmod(dir, 0o2777)
  await isRefused(t, dir, /^DATA_DIR: .*chmod/)
  if (!isRoot) return
  await chmod(dir, 0o2775)
  await chown(dir, 0, SOMEBODY_ELSE)
  await isRefused(t, dir, /^DATA_DIR: .*chmod/)
})

t.test('a folder of another user is refused, as he may write it', async (t) => {
  if (!isRoot) return t.comment('only root can give one away')
  const dir = await folder(t)
  await chown(dir, SOMEBODY_ELSE, SOMEBODY_ELSE)
  await isRefused(t, dir, new RegExp(`^DATA_DIR: .*${SOMEBODY_ELSE}.*chown`))
})

t.test('a secret that others may read or write is refused, and what to do is said', async (t) => {
  const dir = await usedFolder(t)
  const file = join(dir, 'auth-secret')
  for (const mode of [0o644, 0o640, 0o604, 0o620, 0o602]) {
    await chmod(file, mode)
    await isRefused(t, dir, new RegExp(`^DATA_DIR: .*auth-secret.*\\b${mode.toString(8)}\\b.*chmod 600`))
    t.equal(await modeOf(file), mode)
  }
  await isRefused(t, dir, /^DATA_DIR: .*auth-secret.*chmod 600/, 'revoke-everything')
  await isTaken(t, dir, { AUTH_SECRET: (await readFile(file, 'utf8')).trim() })
  await chmod(file, 0o400)
  await isTaken(t, dir)
})

t.test('a secret of another user is refused, also behind a link', async (t) => {
  const dir = await folder(t)
  const file = join(dir, 'auth-secret')
  if (isRoot) {
    await writeFile(`${file}.theirs`, TEST_SECRET, { mode: 0o600 })
    await chown(`${file}.theirs`, SOMEBODY_ELSE, SOMEBODY_ELSE)
  }
  await symlink(isRoot ? `${file}.theirs` : '/etc/passwd', file)
  await isRefused(t, dir, /^DATA_DIR: .*auth-secret.*belongs to user \d+.*chown/)
  if (!isRoot) return
  await rename(`${file}.theirs`, file)
  await isRefused(t, dir, /^DATA_DIR: .*auth-secret.*belongs to user \d+.*chown/)
})

t.test('a secret of its own behind a link is taken', async (t) => {
  const dir = await folder(t)
  await writeFile(join(dir, 'kept'), TEST_SECRET, { mode: 0o600 })
  await symlink('kept', join(dir, 'auth-secret'))
  await isTaken(t, dir)
})

t.test('what is no file where one belongs is refused, and keeps nobody waiting', async (t) => {
  for (const name of ['auth-secret', 'data.mdb']) {
    const [pipe, inside] = [await folder(t), await folder(t)]
    await promisify(execFile)('mkfifo', ['-m', '600', join(pipe, name)])
    await isRefused(t, pipe, new RegExp(`^DATA_DIR: .*${name}`))
    await mkdir(join(inside, name), { mode: 0o700 })
    await isRefused(t, inside, new RegExp(`^DATA_DIR: .*${name}`))
  }
})

t.test('a damaged file is told in one line', async (t) => {
  const dir = await usedFolder(t)
  await writeFile(join(dir, 'auth-secret'), 'short')
  await isRefused(t, dir, /^DATA_DIR: .*auth-secret.*damaged/)
  await writeFile(join(dir, 'data.mdb'), 'This is no database.')
  await isRefused(t, dir, /^DATA_DIR: .*data\.mdb.*damaged/)
})

t.test('a store that was copied back for all to read is its own again', async (t) => {
  const dir = await usedFolder(t)
  await chmod(join(dir, 'data.mdb'), 0o644)
  await chmod(dir, 0o755)
  await isTaken(t, dir)
  t.equal(await modeOf(join(dir, 'data.mdb')), 0o600)
})
