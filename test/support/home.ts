import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../../src/http/app.ts'
import { makeHashing } from '../../src/auth/credentials/hashing.ts'
import { keyPolicyOf, openKeyring } from '../../src/auth/keys/keyring.ts'
import { readConfig } from '../../src/config/environment.ts'
import type { Deps } from '../../src/deps.ts'
import type { AuthKeys } from '../../src/domain/auth-secret.ts'
import { deriveAuthKey } from '../../src/domain/auth-secret.ts'
import { makeLogger, makeRecorder } from '../../src/process/log.ts'
import type { App } from '../../src/http/typed-app.ts'
import { makeReadiness } from '../../src/process/readiness.ts'
import { openLmdb } from '../../src/store/lmdb/lmdb-store.ts'
import { connectRedis } from '../../src/store/redis/client.ts'
import { openRedis } from '../../src/store/redis/redis-store.ts'
import { eventually } from './settle.ts'

/** Random, and of no other use than in tests. */
export const TEST_SECRET = 'kP2u0vQm7sX9yZr4tB8nWc1dEf5hJ6lA3gOiUeTzRqM'

/** Limits that get in no test's way; a test of limits sets its own. */
export const NO_LIMITS = {
  LIMIT_REGISTER: '1000000/1m',
  LIMIT_LOGIN: '1000000/1m',
  LIMIT_REFRESH: '1000000/1m',
  LIMIT_API: '1000000/1m',
  LIMIT_FAILURES: '1000000/1m',
  LIMIT_ACCOUNT_FAILURES: '1000000/1m',
}

export interface Answer<Body = any> {
  readonly status: number
  readonly headers: Record<string, any>
  readonly body: Body
}

export interface CallOptions {
  readonly body?: unknown
  readonly token?: string
  readonly headers?: Record<string, string>
  readonly ip?: string
}

/** The real app in this process, on a real store, with a clock the test can turn. */
export interface Home {
  readonly app: App
  readonly deps: Deps
  /** Log lines so far, parsed. */
  readonly lines: Record<string, any>[]
  readonly events: (name: string) => Record<string, any>[]
  readonly clock: { now: number; advance: (ms: number) => void }
  readonly call: <Body = any>(method: string, path: string, options?: CallOptions) => Promise<Answer<Body>>
  /** Registers a fresh address and answers its tokens. */
  readonly newcomer: (body?: object) => Promise<Newcomer>
  readonly close: () => Promise<void>
}

export interface Newcomer {
  readonly email: string
  readonly password: string
  readonly access_token: string
  readonly refresh_token: string
  readonly session_id: string
  readonly user: { readonly id: string }
}

let newcomers = 0

/** Opens a home: on the Redis of REDIS_URL in `env`, else on LMDB in a folder of its own (or `DATA_DIR`). */
export async function openHome(env: Record<string, string> = {}): Promise<Home> {
  const dir = env['DATA_DIR'] ?? (await mkdtemp(join(tmpdir(), 'latchkey-home-')))
  const config = readConfig({ AUTH_SECRET: TEST_SECRET, ISSUER: 'http://localhost:3000', ...NO_LIMITS, ...env })
  const clock = { now: Date.now(), advance: (ms: number) => void (clock.now += ms) }
  const lines: Record<string, any>[] = []
  const logger = makeLogger(config.LOG_LEVEL, { write: (line) => void lines.push(JSON.parse(line)) })
  const record = makeRecorder(logger)
  const redis = config.REDIS_URL ? connectRedis(config.REDIS_URL, () => {}) : null
  const now = () => clock.now
  const store = redis ? openRedis(redis, now) : await openLmdb({ dir, clock: now })
  const authKeys = config.AUTH_SECRET.map(deriveAuthKey) as unknown as AuthKeys
  const policy = keyPolicyOf(config)
  const keyring = openKeyring({ store, authKeys, policy, clock: now, record })
  const hashing = makeHashing({
    memoryKib: config.ARGON2_MEMORY_KIB,
    passes: config.ARGON2_PASSES,
    lanes: config.ARGON2_LANES,
    processors: 2,
  })
  const moment = () => ({ now: now(), histories: [] })
  const graceMs = () => config.REFRESH_GRACE
  const deps: Deps = {
    config,
    store,
    keyring,
    hashing,
    authKeys,
    clock: now,
    moment,
    graceMs,
    record,
  }
  const isDraining = () => false
  const checkReadiness = makeReadiness(deps, isDraining, logger)
  const app = await buildApp(deps, { logger, isDraining, checkReadiness })
  await eventually(() => keyring.fault() === null, { within: 20_000 })

  async function call<Body>(method: string, path: string, options: CallOptions = {}): Promise<Answer<Body>> {
    const { body, token, headers = {}, ip = '127.0.0.1' } = options
    const response = await app.inject({
      method,
      url: path,
      remoteAddress: ip,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const isJson = /json/.test(String(response.headers['content-type']))
    return {
      status: response.statusCode,
      headers: response.headers,
      body: (isJson ? JSON.parse(response.payload) : response.payload) as Body,
    }
  }

  return {
    app,
    deps,
    lines,
    events: (name) => lines.filter((line) => line['event'] === name),
    clock,
    call,
    async newcomer(body = {}) {
      const email = `newcomer-${(newcomers += 1)}-${process.pid}-${Date.now()}@example.org`
      const password = 'seven red bicycles in the rain'
      const answer = await call<any>('POST', '/v1/register', { body: { email, password, ...body } })
      if (answer.status !== 201) throw new Error(`register: ${answer.status} ${JSON.stringify(answer.body)}`)
      return { email, password, ...answer.body }
    },
    async close() {
      await app.close()
      keyring.close()
      await store.close()
      if (env['DATA_DIR'] === undefined) await rm(dir, { recursive: true })
    },
  }
}
