import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** How to start Redis on this machine; the environment holds nothing else. */
export type RedisServer = { readonly command: string; readonly env: NodeJS.ProcessEnv }

const MISSING =
  'No Redis server found: install redis-server (Debian, Ubuntu) or redis (elsewhere) and run the tests again.'

let found: Promise<RedisServer> | undefined

/** Finds Redis in PATH, else unpacks Debian's into the cache folder, without root; rejects with what to install. */
export function redisServer(): Promise<RedisServer> {
  found ??= findServer().catch((cause: unknown) => {
    throw new Error(MISSING, { cause })
  })
  return found
}

async function findServer(): Promise<RedisServer> {
  const installed = { command: 'redis-server', env: { PATH: process.env['PATH'] } }
  const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'latchkey', 'redis')
  const unpacked = serverIn(folder)
  for (const server of [installed, unpacked]) if (await runs(server)) return server
  await unpackInto(folder)
  await run(unpacked.command, ['--version'], { env: unpacked.env })
  return unpacked
}

function runs({ command, env }: RedisServer): Promise<boolean> {
  return run(command, ['--version'], { env }).then(
    () => true,
    () => false,
  )
}

function serverIn(folder: string): RedisServer {
  const triplet = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
  const libraries = ['usr/lib', 'lib'].map((lib) => join(folder, lib, triplet)).join(':')
  return {
    command: join(folder, 'usr/bin/redis-server'),
    env: { PATH: process.env['PATH'], LD_LIBRARY_PATH: libraries },
  }
}

// Other test processes may do the same now: whoever renames first wins, the others use the winner's.
async function unpackInto(folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true })
  const draft = await mkdtemp(`${folder}-`)
  try {
    await unpackRedis(draft)
    await rename(draft, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

// Debian's server is one binary with redis-check-rdb, which needs no root and no other package's scripts.
async function unpackRedis(root: string): Promise<void> {
  const debs = join(root, 'debs')
  const server = serverIn(root)
  await unpackPackages(['redis-tools'], debs, root)
  await symlink('redis-check-rdb', server.command)
  const missing = await missingPackages(server)
  if (missing.length > 0) await unpackPackages(missing, debs, root)
  await rm(debs, { recursive: true })
}

async function missingPackages({ command, env }: RedisServer): Promise<string[]> {
  const { stdout } = await run('ldd', [command], { env })
  return [...stdout.matchAll(/(\S+) => not found/g)].map(([, library = '']) => packageOf(library))
}

// Debian Policy section 8.1: libjemalloc.so.2 is in libjemalloc2, liblua5.1.so.0 in liblua5.1-0.
function packageOf(library: string): string {
  const [, name = library, version = ''] = /^(.+)\.so\.(.+)$/.exec(library) ?? []
  const luaModule = /^liblua[\d.]+-(.+)$/.exec(name)?.[1]
  if (luaModule !== undefined) return `lua-${luaModule}`
  return `${name.toLowerCase().replaceAll('_', '-')}${/\d$/.test(name) ? '-' : ''}${version}`
}

async function unpackPackages(names: string[], debs: string, root: string): Promise<void> {
  await mkdir(join(debs, 'lists/partial'), { recursive: true })
  await download(names, debs)
  const files = await readdir(debs)
  for (const file of files.filter((name) => name.endsWith('.deb'))) await run('dpkg', ['-x', join(debs, file), root])
}

// The machine's package lists may be absent or old: then fetch private ones, which needs no root.
async function download(names: string[], debs: string): Promise<void> {
  const unprivileged = ['APT::Sandbox::User=root', 'Debug::NoLocking=1', 'Acquire::http::Timeout=15']
  const privately = [...unprivileged, `Dir::State::lists=${debs}/lists`, `Dir::Cache=${debs}/cache`]
  const apt = (options: string[], ...args: string[]) =>
    run('apt-get', [...options.flatMap((option) => ['-o', option]), ...args], { cwd: debs, timeout: 120_000 })
  try {
    await apt(unprivileged, 'download', ...names)
  } catch {
    await apt(privately, 'update')
    await apt(privately, 'download', ...names)
  }
}
