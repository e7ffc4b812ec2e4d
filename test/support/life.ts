import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { startChild } from './child.ts'
import { NO_LIMITS, TEST_SECRET } from './env.ts'
import type { Newcomer } from './home.ts'
import { startRedis } from './redis.ts'
import { type Service, type ServiceOptions, startService } from './service.ts'
import { eventually } from './settle.ts'

// What tests of how a process comes and goes share.

/** What ships. */
export const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))

export const ISSUER = 'http://localhost:3000'
export const PASSWORD = 'seven red bicycles in the rain'
export type Env = Record<string, string>
export type Tokens = Pick<Newcomer, 'access_token' | 'refresh_token' | 'session_id'>

/** A new folder, gone when the test ends. */
export async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-life-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** An instance whose hashes have their full price. */
export const REAL: ServiceOptions = { command: [process.execPath, MAIN] }
/** An instance whose hashes cost next to nothing. */
export const CHEAP: ServiceOptions = {}

/** Starts an instance that no limit holds up; it is killed when the test ends. */
export async function start(t: Test, env: Env, options = REAL): Promise<Service> {
  const service = await startService({ ISSUER, ...NO_LIMITS, ...env }, options)
  t.teardown(service.kill)
  return service
}

/** The environment of an instance on a Redis of its own, gone when the test ends. */
export async function redisEnv(t: Test): Promise<Env> {
  const redis = await startRedis()
  t.teardown(redis.stop)
  return { REDIS_URL: redis.url, AUTH_SECRET: TEST_SECRET }
}

/** Runs main with exactly these variables until it exits. */
export async function run(env: Env, ...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = startChild([process.execPath, MAIN, ...args], { PATH: process.env['PATH'], ...env })
  const code = await child.exited
  return { code, output: child.lines().join('\n') }
}

let addresses = 0

/** Somebody new, asked for until the instance has its store. */
export async function register(at: Pick<Service, 'call'>): Promise<Newcomer> {
  const email = `life-${process.pid}-${(addresses += 1)}@example.org`
  const send = () => at.call('POST', '/v1/register', { body: { email, password: PASSWORD } })
  const answer = await eventually(
    async () => {
      const sent = await send()
      return sent.status !== 503 && sent
    },
    { within: 5000 },
  )
  if (answer.status !== 201) throw new Error(`register: ${answer.status}`)
  return { email, password: PASSWORD, ...answer.body }
}

/** The code of the error, or of what caused it. */
export function codeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return String((cause as NodeJS.ErrnoException).code ?? cause)
}

export function countBy<T>(items: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>()
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1)
  return counts
}
