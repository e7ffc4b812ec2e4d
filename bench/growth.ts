import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueTokens } from '../src/auth/tokens/issue.ts'
import { putSession } from '../src/auth/sessions/session-writes.ts'
import { compose } from '../src/compose.ts'
import { readConfig } from '../src/config/environment.ts'
import type { Deps } from '../src/deps.ts'
import { newId } from '../src/domain/id.ts'
import type { Session } from '../src/domain/session.ts'
import type { User } from '../src/domain/user.ts'
import { makeLogger } from '../src/process/log.ts'
import { keys } from '../src/store/keys.ts'
import { put, type Put } from '../src/store/store.ts'
import { startRedis } from '../test/support/redis.ts'
import { eventually } from '../test/support/settle.ts'
import { type Exchange, openLoad } from './drive.ts'
import { type Growth, growthSection, median } from './report.ts'
import { saveGrowth } from './results.ts'
import { describeMachine, readCpuMs, shareOutCores, type Started, startLatchkey } from './servers.ts'
import { type Account, bearers, refreshes, SETTINGS } from './traffic.ts'

// What grows with the sessions there are, and what does not: room, processor time a request, the time of a start.

const isQuick = process.env['QUICK'] === '1'
const SIZES = isQuick ? [1000, 10_000] : [10_000, 100_000, 1_000_000]
/** Users whose requests are measured, of those who came with each size. */
const SAMPLE = 2000
const USERS_A_COMMIT = 100
const COMMITS_AT_ONCE = 4
const CONNECTIONS = 64
const WARM_CPU_MS = 2500
const STRETCHES = 15
const STRETCH_MS = 200
const USER_AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
/** As long as a real one. */
const PASSWORD_HASH = `$argon2id$v=19$m=19456,t=2,p=1$${'s'.repeat(22)}$${'h'.repeat(43)}`

interface Place {
  readonly store: string
  readonly env: Record<string, string>
  /** All that the store takes, in bytes: of memory or of its folder. */
  readonly weigh: () => Promise<number>
}

const cores = await shareOutCores()
const redis = await startRedis()
const dir = await mkdtemp(join(tmpdir(), 'latchkey-growth-'))
try {
  const found = [
    ...(await grow({
      store: 'Redis',
      env: { ...SETTINGS, REDIS_URL: redis.url },
      weigh: async () => Number(/used_memory:(\d+)/.exec(await redis.cli('INFO', 'memory'))?.[1]),
    })),
    ...(await grow({
      store: 'embedded',
      env: { ...SETTINGS, DATA_DIR: dir },
      weigh: async () => (await stat(join(dir, 'data.mdb'))).size,
    })),
  ]
  const about = { date: new Date().toISOString(), machine: describeMachine(cores) }
  const section = growthSection(about, found)
  process.stdout.write(section)
  if (!isQuick) await saveGrowth(section)
} finally {
  await redis.stop()
  await rm(dir, { recursive: true, force: true })
}

/** Fills a store from size to size, and measures the service at each. */
async function grow({ store, env, weigh }: Place): Promise<Growth[]> {
  const { deps, close } = await compose(readConfig(env), makeLogger('silent', { write: () => {} }))
  await eventually(() => deps.keyring.fault() === null, { within: 10_000 })
  const [empty, accounts, found] = [await weigh(), [] as Account[], [] as Growth[]]
  let filled = 0
  for (const sessions of SIZES) {
    accounts.push(...(await fill(deps, sessions - filled)))
    filled = sessions
    const bytes = ((await weigh()) - empty) / sessions
    process.stderr.write(`${store}: ${sessions} sessions of ${bytes.toFixed(0)} bytes\n`)
    found.push({ store, sessions, bytes, ...(await measure(env, accounts)) })
  }
  await close()
  return found
}

/** Adds users with a session each, in big commits; some of them are given back, logged in. */
async function fill(deps: Deps, count: number): Promise<Account[]> {
  const accounts: Account[] = []
  let made = 0
  async function commitInTurn(): Promise<void> {
    while (made < count) {
      const puts: Put[] = []
      for (let users = 0; users < USERS_A_COMMIT && made < count; users += 1, made += 1) {
        const bearer = newcomer(deps)
        puts.push(...putsOf(bearer))
        if (made % Math.ceil(count / SAMPLE) === 0)
          accounts.push({ email: bearer.user.email, ...tokensOf(deps, bearer) })
      }
      await persist(deps, puts)
    }
  }
  await Promise.all(Array.from({ length: COMMITS_AT_ONCE }, commitInTurn))
  return accounts
}

interface Bearer {
  readonly user: User
  readonly session: Session
}

function newcomer({ clock, config, keyring }: Deps): Bearer {
  const [now, userId, id, ip] = [clock(), newId(), newId(), '192.0.2.7']
  const email = `${userId.toLowerCase()}@example.org`
  const knownAddresses = [{ address: ip, seenAt: now }]
  const names = { id: userId, email, emailKey: email, emailVerified: false, passwordHash: PASSWORD_HASH }
  const user = { ...names, createdAt: now, generation: 0, roles: [], app: {}, sessions: [id], knownAddresses }
  const place = { kind: 'live', id, userId, secret: newId(), store: keyring.identity() as string } as const
  const wish = { transport: 'body', remember: false, amr: ['pwd'], ip, userAgent: USER_AGENT } as const
  const rotation = { counter: 0, held: 0, spentAt: [], late: null, changedFrom: 0, passwordGeneration: 0 }
  const life = { idleMs: config.SESSION_IDLE, absoluteAt: now + config.SESSION_ABSOLUTE }
  const session = { ...place, ...wish, ...rotation, ...life, createdAt: now, lastUsedAt: now, authAt: now }
  return { user, session }
}

function putsOf({ user, session }: Bearer): Put[] {
  const claim = put(keys.email(user.emailKey), { userId: user.id }, null)
  return [claim, put(keys.user(user.id), user, null), putSession(session)]
}

function tokensOf(deps: Deps, bearer: Bearer): Pick<Account, 'accessToken' | 'refreshToken'> {
  const { accessToken, refreshToken } = issueTokens(deps, bearer)
  return { accessToken, refreshToken }
}

/** Writes, and again where a busy machine has kept the store from answering in time. */
async function persist({ store }: Deps, puts: readonly Put[]): Promise<void> {
  const write = { checks: [], puts, deletes: [], mayBeLost: true } as const
  await eventually(() => store.commit(write).catch(() => false), { within: 30_000 })
}

type Measured = Pick<Growth, 'startMs' | 'verify' | 'refresh'>

async function measure(env: Record<string, string>, accounts: readonly Account[]): Promise<Measured> {
  const server = await startLatchkey(cores, env)
  const verify = await drive(server, bearers(accounts))
  const refresh = await drive(server, refreshes(accounts))
  await server.kill()
  return { startMs: server.startMs, verify, refresh }
}

/** The processor time of a request, once the server is warm and has met every token; the median of many stretches. */
async function drive({ port, pid }: Started, next: () => Exchange): Promise<Growth['verify']> {
  const load = await openLoad(port, CONNECTIONS, next)
  for (const from = readCpuMs(pid); readCpuMs(pid) - from < WARM_CPU_MS;) await load.run(STRETCH_MS)
  const stretches: { cpuUs: number; failures: number }[] = []
  for (let done = 0; done < STRETCHES; done += 1) {
    const from = readCpuMs(pid)
    const { answers, failures } = await load.run(STRETCH_MS)
    stretches.push({ cpuUs: ((readCpuMs(pid) - from) / answers) * 1000, failures })
  }
  load.close()
  const failures = stretches.reduce((sum, stretch) => sum + stretch.failures, 0)
  return { cpuUs: median(stretches.map(({ cpuUs }) => cpuUs)), failures }
}
