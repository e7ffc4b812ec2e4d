import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { compose, type Instead } from '../../src/compose.ts'
import { readConfig } from '../../src/config/environment.ts'
import type { Deps } from '../../src/deps.ts'
import { buildApp } from '../../src/http/app.ts'
import type { App } from '../../src/http/typed-app.ts'
import { makeLogger } from '../../src/process/log.ts'
import { makeReadiness } from '../../src/process/readiness.ts'
import { NO_LIMITS, TEST_SECRET, isDear } from './env.ts'
import { cheapHashing } from './hashing.ts'
import { eventually } from './settle.ts'

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
  readonly logger: Logger
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

/** Opens a home: on the Redis of REDIS_URL in `env`, else on LMDB in a folder of its own (or `DATA_DIR`). Its hashes cost next to nothing unless `env` has ARGON2_*; `store` is put around the real store. */
export async function openHome(
  env: Record<string, string> = {},
  { store }: Pick<Instead, 'store'> = {},
): Promise<Home> {
  const dir = env['DATA_DIR'] ?? (await mkdtemp(join(tmpdir(), 'latchkey-home-')))
  const own = { AUTH_SECRET: TEST_SECRET, ISSUER: 'http://localhost:3000', DATA_DIR: dir }
  const config = readConfig({ ...own, ...NO_LIMITS, ...env })
  const clock = { now: Date.now(), advance: (ms: number) => void (clock.now += ms) }
  const lines: Record<string, any>[] = []
  const logger = makeLogger(config.LOG_LEVEL, { write: (line) => void lines.push(JSON.parse(line)) })
  const hashing = isDear(env) ? {} : { hashing: cheapHashing() }
  const { deps, close } = await compose(config, logger, { clock: () => clock.now, ...hashing, ...(store && { store }) })
  const isDraining = () => false
  const app = await buildApp(deps, { logger, isDraining, ...makeReadiness(deps, isDraining, logger) })
  await eventually(() => deps.keyring.fault() === null, { within: 20_000 }).catch(async (error: unknown) => {
    await app.close()
    await close()
    throw error
  })

  const call: Home['call'] = (method, path, options) => callApp(app, method, path, options)

  return {
    app,
    deps,
    logger,
    lines,
    events: (name) => lines.filter((line) => line['event'] === name),
    clock,
    call,
    async newcomer(body = {}) {
      const email = `newcomer-${(newcomers += 1)}-${process.pid}-${Date.now()}@example.org`
      const password = 'seven red bicycles in the rain'
      const answer = await call('POST', '/v1/register', { body: { email, password, ...body } })
      if (answer.status !== 201) throw new Error(`register: ${answer.status} ${JSON.stringify(answer.body)}`)
      return { email, password, ...answer.body }
    },
    async close() {
      await app.close()
      await close()
      if (env['DATA_DIR'] === undefined) await rm(dir, { recursive: true })
    },
  }
}

/** Asks an app of this process. A body that is no text is sent as JSON. */
export async function callApp<Body>(
  app: App,
  method: string,
  path: string,
  { body, token, headers = {}, ip = '127.0.0.1' }: CallOptions = {},
): Promise<Answer<Body>> {
  const response = await app.inject({
    method: method as 'GET',
    url: path,
    remoteAddress: ip,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const isJson = /[/+]json/.test(String(response.headers['content-type']))
  return {
    status: response.statusCode,
    headers: response.headers,
    body: (isJson ? JSON.parse(response.payload) : response.payload) as Body,
  }
}
