import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** How to start a program on this machine; the environment holds nothing else. */
export type Program = { readonly command: string; readonly env: NodeJS.ProcessEnv }

/** Where to find a program: in PATH, else in Debian's packages, unpacked without root. */
export type Recipe = {
  /** Its command, and the name of its folder in the cache. */
  readonly name: string
  /** Commands that are as good. */
  readonly aliases?: readonly string[]
  readonly packages: readonly string[]
  /** Where the packages have it. */
  readonly path: string
  /** Folders of private libraries, beside the common ones. */
  readonly libraries?: readonly string[]
  /** The argument that makes it tell its version. */
  readonly version: string
  /** What is left to do in the folder once the packages are unpacked. */
  readonly finish?: (folder: string) => Promise<void>
  /** What to tell a person where neither is possible. */
  readonly missing: string
}

const TRIPLET = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
const CACHE = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'latchkey')

const found = new Map<string, Promise<Program>>()

/** Finds the program, or unpacks it into the cache folder; rejects with what to install. */
export function findProgram(recipe: Recipe): Promise<Program> {
  const finding = found.get(recipe.name) ?? find(recipe).catch((cause: unknown) => fail(recipe.missing, cause))
  found.set(recipe.name, finding)
  return finding
}

/** The shared library of a Debian package (`faketime/libfaketime.so.1`): the installed one, else an unpacked one. */
export async function findLibrary(packageName: string, path: string): Promise<string> {
  const installed = join('/usr/lib', TRIPLET, path)
  if (existsSync(installed)) return installed
  const folder = join(CACHE, packageName)
  if (!existsSync(folder)) {
    await unpackInto(folder, (draft) => unpackPackages([packageName], draft)).catch((cause: unknown) =>
      fail(`${packageName} was not found: install Debian's package and run this again.`, cause),
    )
  }
  return join(folder, 'usr/lib', TRIPLET, path)
}

/** The folder with what these packages hold, unpacked into the cache under this name. */
export async function findPackages(name: string, packages: readonly string[]): Promise<string> {
  const folder = join(CACHE, name)
  if (!existsSync(folder)) await unpackInto(folder, (draft) => unpackPackages(packages, draft))
  return folder
}

function fail(message: string, cause: unknown): never {
  throw new Error(message, { cause })
}

async function find(recipe: Recipe): Promise<Program> {
  const folder = join(CACHE, recipe.name)
  const unpacked = programIn(folder, recipe)
  for (const program of [...installed(recipe), unpacked]) if (await runs(program, recipe)) return program
  await unpackInto(folder, (draft) => unpackProgram(draft, recipe))
  await run(unpacked.command, [recipe.version], { env: unpacked.env })
  return unpacked
}

function installed({ name, aliases = [] }: Recipe): Program[] {
  const PATH = `${process.env['PATH']}:/usr/sbin`
  const files = [name, ...aliases].flatMap((each) => PATH.split(':').map((folder) => join(folder, each)))
  return files.filter((file) => existsSync(file)).map((command) => ({ command, env: { PATH } }))
}

function runs({ command, env }: Program, { version }: Recipe): Promise<boolean> {
  return run(command, [version], { env }).then(
    () => true,
    () => false,
  )
}

function programIn(folder: string, { path, libraries = [] }: Recipe): Program {
  const folders = ['usr/lib', 'lib'].flatMap((lib) => ['', ...libraries].map((own) => join(folder, lib, TRIPLET, own)))
  return { command: join(folder, path), env: { PATH: process.env['PATH'], LD_LIBRARY_PATH: folders.join(':') } }
}

// Other test processes may do the same now: whoever renames first wins, the others use the winner's.
async function unpackInto(folder: string, unpack: (draft: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(folder), { recursive: true })
  const draft = await mkdtemp(`${folder}-`)
  try {
    await unpack(draft)
    await rename(draft, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

async function unpackProgram(folder: string, recipe: Recipe): Promise<void> {
  await unpackPackages(recipe.packages, folder)
  await recipe.finish?.(folder)
}

async function unpackPackages(names: readonly string[], folder: string): Promise<void> {
  const debs = join(folder, 'debs')
  await mkdir(join(debs, 'lists/partial'), { recursive: true })
  await download(names, debs)
  const files = await readdir(debs)
  for (const file of files.filter((name) => name.endsWith('.deb'))) await run('dpkg', ['-x', join(debs, file), folder])
  await rm(debs, { recursive: true })
}

// The machine's package lists may be absent or old: then fetch private ones, which needs no root.
async function download(names: readonly string[], debs: string): Promise<void> {
  const unprivileged = ['APT::Sandbox::User=root', 'Debug::NoLocking=1', 'Acquire::http::Timeout=15']
  const privately = [...unprivileged, `Dir::State::lists=${debs}/lists`, `Dir::Cache=${debs}/cache`]
  const apt = (options: string[], ...args: string[]) =>
    run('apt-get', [...options.flatMap((option) => ['-o', option]), ...args], { cwd: debs, timeout: 300_000 })
  const fetch = async (options: string[]) => {
    const { stdout } = await apt(options, 'install', '--simulate', '--no-install-recommends', ...names)
    const needed = [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, name = '']) => name)
    await apt(options, 'download', ...new Set([...names, ...needed]))
  }
  try {
    await fetch(unprivileged)
  } catch {
    await apt(privately, 'update')
    await fetch(privately)
  }
}
