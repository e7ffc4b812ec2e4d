import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Service } from '../test/support/service.ts'
import { startService } from '../test/support/service.ts'

// The processes: a server alone on one core, everything else on the others.

const run = promisify(execFile)
const BENCH = fileURLToPath(new URL('../../bench/', import.meta.url))
const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const CONTENDERS = `${BENCH}contenders`

/** Which cores the server, and the load with Redis, are kept to; null: nothing can be kept to a core here. */
export interface Cores {
  readonly server: string
  readonly load: string
}

/** Moves this process, and with it all it starts, off the last core, which the servers get to themselves. */
export async function shareOutCores(): Promise<Cores | null> {
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
  const cores = allowed.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, place) => first + place)
  })
  const server = cores.pop()
  if (cores.length === 0 || !existsSync('/usr/bin/taskset')) return null
  const load = cores.join(',')
  await run('taskset', ['--all-tasks', '--cpu-list', '--pid', load, `${process.pid}`])
  return { server: `${server}`, load }
}

/** A server under measurement. */
export interface Started extends Service {
  readonly startMs: number
}

function pinned(cores: Cores | null, ...command: string[]): string[] {
  return [...(cores === null ? [] : ['/usr/bin/taskset', '--cpu-list', cores.server]), process.execPath, ...command]
}

/** The service (this one, or another's `main`), alone on its core, in a fresh process; resolves when it is ready. */
export async function startLatchkey(cores: Cores | null, env: Record<string, string>, main = MAIN): Promise<Started> {
  const from = performance.now()
  const service = await startService(env, { command: pinned(cores, main) })
  return { ...service, startMs: performance.now() - from }
}

/** A contender, likewise. */
export async function startContender(cores: Cores | null, name: string, env: Record<string, string>): Promise<Started> {
  const from = performance.now()
  const service = await startService(env, { command: pinned(cores, `${CONTENDERS}/${name}.mjs`), until: 'live' })
  return { ...service, startMs: performance.now() - from }
}

/** Installs the contenders' packages, which the service has no use for, unless they are there. */
export async function installContenders(): Promise<void> {
  if (existsSync(`${CONTENDERS}/node_modules`)) return
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: CONTENDERS })
}

/**
 * Processor time of a process so far in ms, user and system, all its threads together. What /proc/PID/stat counts in ticks of
 * 10 ms the scheduler knows to the nanosecond: proc_pid_schedstat, first field.
 */
export function readCpuMs(pid: number | undefined): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  const times = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]),
  )
  return times.reduce((sum, time) => sum + time, 0) / 1e6
}

/** The most memory a process has held so far, in MB. */
export function readPeakMb(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1]) / 1024
}

/** The machine, in a line. */
export function describeMachine(cores: Cores | null): string {
  const pinning = cores === null ? 'nothing pinned' : `server on core ${cores.server}, load and Redis on ${cores.load}`
  return `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${pinning}`
}
