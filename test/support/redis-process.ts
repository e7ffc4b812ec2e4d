import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { startChild } from './child.ts'
import { freePort } from './free-port.ts'
import { redisServer } from './redis-server.ts'

/** A Redis of the test's own, on 127.0.0.1; `restart` changes its process, never its port, folder or arguments. */
export type RedisProcess = {
  readonly port: number
  readonly url: string
  readonly pid: number | undefined
  /** The path of the certificate to trust, when it speaks TLS. */
  readonly ca: string | undefined
  /** Sends one command on a connection of its own: a list comes back as lines, nil as '', an error reply rejects. */
  readonly cli: (...command: [name: string, ...args: string[]]) => Promise<string>
  readonly freeze: () => void
  readonly thaw: () => void
  /** SIGKILL; resolves when it is gone. */
  readonly kill: () => Promise<void>
  /** Ends it if it still runs and starts it again; resolves when it takes commands. */
  readonly restart: () => Promise<void>
  /** Ends it for good and removes its folder, unless the caller gave that. */
  readonly stop: () => Promise<void>
}

/** How to start a Redis. */
export type StartOptions = {
  /** Further arguments, which win over the defaults: no persistence, no wait for replicas. */
  readonly args?: readonly string[]
  readonly port?: number
  readonly dir?: string
  /** Speak TLS only, by a self-signed certificate for localhost and 127.0.0.1. */
  readonly tls?: boolean
  /** More of its environment: a clock of its own (see faketime.ts). */
  readonly env?: Record<string, string>
}

const DEFAULTS = ['--save', '', '--appendonly', 'no', '--shutdown-timeout', '0', '--repl-diskless-sync-delay', '0']

/** Starts a standalone Redis; resolves when it takes commands. */
export async function startRedis(options: StartOptions = {}): Promise<RedisProcess> {
  const port = options.port ?? (await freePort())
  const dir = options.dir ?? (await temporaryFolder())
  const ca = options.tls === true ? await certify(dir) : undefined
  return runRedis({
    port,
    ca,
    args: [
      ...baseArgs(port, dir),
      ...(ca === undefined ? [] : tlsArgs(port, dir)),
      ...DEFAULTS,
      ...(options.args ?? []),
    ],
    env: options.env ?? {},
    readyLine: 'Ready to accept connections',
    cleanUp: () => (options.dir === undefined ? removeFolder(dir) : Promise.resolve()),
  })
}

/** What every Redis process here is started with, Sentinels too. */
export function baseArgs(port: number, dir: string): string[] {
  return ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir]
}

const folders = new Set<string>()
process.on('exit', () => folders.forEach((dir) => rmSync(dir, { recursive: true, force: true })))

/** Makes a private folder for one Redis process, which goes with the test process at the latest. */
export async function temporaryFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-redis-'))
  folders.add(dir)
  return dir
}

/** Removes such a folder with all it holds. */
export async function removeFolder(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true })
  folders.delete(dir)
}

type Launch = {
  readonly port: number
  readonly args: readonly string[]
  readonly readyLine: string
  readonly ca?: string | undefined
  readonly env?: Record<string, string>
  readonly cleanUp: () => Promise<void>
}

/** Runs the Redis binary with exactly these arguments; resolves when it has printed `readyLine`. */
export async function runRedis({ port, args, readyLine, ca, env: more, cleanUp }: Launch): Promise<RedisProcess> {
  const { command, env } = await redisServer()
  const start = async () => {
    const child = startChild([command, ...args], { ...env, ...more })
    await child.printed(readyLine).catch(async (error: unknown) => {
      await child.end('SIGKILL')
      throw error
    })
    return child
  }
  let child = await start().catch(async (error: unknown) => {
    await cleanUp()
    throw error
  })
  let stopped: Promise<void> | undefined
  return {
    port,
    ca,
    url: `${ca === undefined ? 'redis' : 'rediss'}://127.0.0.1:${port}`,
    get pid() {
      return child.pid
    },
    cli: (...sent) => ask(port, ca, sent),
    freeze: () => child.freeze(),
    thaw: () => child.thaw(),
    async kill() {
      await child.end('SIGKILL')
    },
    async restart() {
      await child.end('SIGTERM')
      child = await start()
    },
    stop: () => (stopped ??= child.end('SIGTERM').then(cleanUp)),
  }
}

async function ask(port: number, ca: string | undefined, [name, ...args]: [string, ...string[]]): Promise<string> {
  const client = new Redis({ ...ONE_SHOT, port, ...(ca === undefined ? {} : { tls: { ca: await readFile(ca) } }) })
  client.on('error', () => {}) // connect() and call() reject with it
  try {
    await client.connect()
    return print(await client.call(name, args))
  } finally {
    client.disconnect()
  }
}

const ONE_SHOT = {
  host: '127.0.0.1',
  lazyConnect: true,
  enableReadyCheck: false,
  disableClientInfo: true,
  protocol: 2 as const,
  retryStrategy: () => null,
  connectTimeout: 2_000,
  commandTimeout: 5_000,
}

function print(reply: unknown): string {
  if (Array.isArray(reply)) return reply.map(print).join('\n')
  return typeof reply === 'string' || typeof reply === 'number' ? `${reply}` : ''
}

function tlsArgs(port: number, dir: string): string[] {
  const files = ['--tls-cert-file', join(dir, 'tls.crt'), '--tls-key-file', join(dir, 'tls.key')]
  return ['--port', '0', '--tls-port', `${port}`, '--tls-auth-clients', 'no', ...files]
}

// The certificate signs itself, so it is also the authority to trust.
async function certify(dir: string): Promise<string> {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', join(dir, 'tls.key')]
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const ca = join(dir, 'tls.crt')
  await promisify(execFile)('openssl', ['req', '-x509', '-days', '2', ...key, ...name, '-out', ca])
  return ca
}
