import { availableParallelism } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import { type Hashing, makeHashing } from './auth/credentials/hashing.ts'
import { keyPolicyOf, type Keyring, openKeyring } from './auth/keys/keyring.ts'
import { UnreadableKeys } from './auth/keys/signing-ring.ts'
import { type Config, readConfig } from './config/environment.ts'
import { placeOf } from './config/redis-url.ts'
import type { Deps } from './deps.ts'
import { type AuthKeys, deriveAuthKey } from './domain/auth-secret.ts'
import { buildApp } from './http/app.ts'
import { makeDrain } from './process/drain.ts'
import { exit, giveUp, outliveFaults } from './process/exit.ts'
import { listenAddress } from './process/listen-address.ts'
import { makeLogger, makeRecorder } from './process/log.ts'
import { openOutput } from './process/output.ts'
import { makeReadiness } from './process/readiness.ts'
import { explain, Refusal } from './process/refusal.ts'
import { keepAuthSecret } from './store/lmdb/auth-secret-file.ts'
import { hasStore } from './store/lmdb/data-folder.ts'
import { openLmdb } from './store/lmdb/lmdb-store.ts'
import { connectRedis, type RedisClients } from './store/redis/client.ts'
import { watchClock } from './store/redis/clock.ts'
import { openRedis } from './store/redis/redis-store.ts'

/** How long the process goes on serving after SIGTERM, so that balancers notice. */
const NOTICE_MS = 3000
const GIVE_UP_MS = 9000
/** How often the store is looked at, so that a fault is in the log even if nobody asks /readyz. */
const WATCH_MS = 5000
/** How long a start waits for the signing keys. Without them it listens all the same, to say that it is not ready. */
const KEYS_PATIENCE_MS = 2000
const NO_ISSUER = "ISSUER is not set: instances on other ports refuse each other's tokens"
const output = openOutput('stdout')
const THREADS = Number(process.env['UV_THREADPOOL_SIZE']) || 4

const OWN_CLOCK = { now: Date.now, histories: () => [], awayMs: () => 0 }

interface Home extends Pick<Deps, 'store' | 'clock' | 'moment' | 'graceMs'> {
  readonly config: Config
  readonly logger: Logger
  readonly redis: RedisClients | null
  readonly authKeys: AuthKeys
  readonly keyring: Keyring
}

async function openHome(): Promise<Home> {
  const config = readConfig(process.env)
  const logger = makeLogger(config.LOG_LEVEL, output)
  output.onRoom((lost) => logger.error({ lost }, 'lines of the log were lost'))
  const redis = config.REDIS_URL ? connectRedis(config.REDIS_URL, reportOnce(logger)) : null
  const { now: clock, histories, awayMs } = redis ? watchClock(redis) : OWN_CLOCK
  const store = redis ? openRedis(redis, clock) : await openLmdb({ dir: config.DATA_DIR, clock })
  const secrets = config.AUTH_SECRET.length > 0 ? config.AUTH_SECRET : [await keepAuthSecret(config.DATA_DIR)]
  const authKeys = secrets.map(deriveAuthKey) as unknown as AuthKeys
  const policy = keyPolicyOf(config)
  const keyring = openKeyring({ store, authKeys, policy, clock, record: makeRecorder(logger) })
  const moment = () => ({ now: clock(), histories: histories() })
  const graceMs = () => config.REFRESH_GRACE + awayMs(config.REFRESH_GRACE)
  return { config, logger, clock, moment, graceMs, store, redis, authKeys, keyring }
}

async function serve(): Promise<void> {
  const home = await openHome()
  const { config, logger, store, redis, keyring } = home
  const deps: Deps = { ...home, hashing: openHashing(config), record: makeRecorder(logger) }
  const { isDraining, drain } = makeDrain()
  const checkReadiness = makeReadiness(deps, isDraining, logger)
  const app = await buildApp(deps, { logger, isDraining, checkReadiness })

  async function stop(noticeMs: number): Promise<void> {
    if (isDraining()) return
    setTimeout(giveUp, GIVE_UP_MS).unref()
    logger.info('stopping')
    await drain(app, noticeMs)
    keyring.close()
    await store.close()
    logger.info('stopped')
    await exit(0, output)
  }
  outliveFaults(logger, output)
  process.on('SIGTERM', () => void stop(NOTICE_MS))
  process.on('SIGINT', () => void stop(0))

  await awaitKeys(keyring, KEYS_PATIENCE_MS)
  const address = await app.listen({ host: await listenAddress(config.HOST), port: config.PORT })
  logger.info({ address, store: redis ? 'redis' : 'embedded' }, 'listening')
  if (redis && !process.env['ISSUER']) logger.warn(NO_ISSUER)
  void checkReadiness()
  setInterval(() => void checkReadiness(), WATCH_MS).unref()
}

function openHashing(config: Config): Hashing {
  const { ARGON2_MEMORY_KIB: memoryKib, ARGON2_PASSES: passes, ARGON2_LANES: lanes } = config
  return makeHashing({ memoryKib, passes, lanes, processors: Math.min(availableParallelism(), THREADS) })
}

async function rotateKeys(): Promise<void> {
  await withKeyring(async (keyring, place, store) => {
    await awaitKeys(keyring, GIVE_UP_MS)
    const fault = keyring.fault()
    if (fault !== null) throw new Refusal(`${place}: ${[...(await store.faults()), fault].join('; ')}`)
    const isRotated = await keyring.rotate()
    if (!isRotated) throw new Refusal('The next key has not been published for five minutes yet: try again then.')
  })
}

const SECRET_IS_LOST = '--secret-is-lost'

/** For whoever has restored a backup, or lost AUTH_SECRET: nothing that the store remembers of sessions is believed any more. */
async function revokeEverything(words: readonly string[]): Promise<void> {
  const isSecretLost = words.includes(SECRET_IS_LOST)
  await withKeyring(async (keyring, place) => {
    const giveUpAt = performance.now() + GIVE_UP_MS
    while (!(await isDone(keyring.revokeEverything({ isSecretLost })))) {
      if (performance.now() > giveUpAt)
        throw new Refusal(`${place} does not answer. It is not known whether anything is revoked: run this again.`)
      await wait(100)
    }
    output.write(`${place}: every token and session of until now is dead. Everybody logs in again.\n`)
  })
}

async function isDone(work: Promise<void>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if (error instanceof UnreadableKeys)
      throw new Refusal(`Nothing is revoked: ${error.message}, or, if it is lost, add ${SECRET_IS_LOST}.`)
    return false
  }
}

async function withKeyring(
  work: (keyring: Keyring, place: string, store: Deps['store']) => Promise<void>,
): Promise<void> {
  const { REDIS_URL, DATA_DIR } = readConfig(process.env)
  if (!REDIS_URL && !hasStore(DATA_DIR))
    throw new Refusal(`There is no store in ${DATA_DIR}: set REDIS_URL or DATA_DIR.`)
  const { keyring, store } = await openHome()
  try {
    await work(keyring, REDIS_URL ? `Redis at ${placeOf(REDIS_URL)}` : `The store in ${DATA_DIR}`, store)
  } finally {
    keyring.close()
    await store.close()
  }
}

/** So that a balancer which only looks whether the port is open meets no instance that cannot answer yet. */
async function awaitKeys(keyring: Keyring, patienceMs: number): Promise<void> {
  const giveUpAt = performance.now() + patienceMs
  while (keyring.fault() !== null && performance.now() < giveUpAt) await wait(20)
}

/** A store that is away says so once, and once more when what it says changes. */
function reportOnce(logger: Logger): (error: Error) => void {
  let said = ''
  return (error) => {
    if (error.message !== said) logger.warn({ err: error }, 'Redis connection')
    said = error.message
  }
}

const commands: Record<string, (words: readonly string[]) => Promise<void>> = {
  serve,
  'rotate-keys': rotateKeys,
  'revoke-everything': revokeEverything,
}
const name = process.argv[2] ?? 'serve'
const command = Object.hasOwn(commands, name) ? commands[name] : undefined

process.umask(0o077) // what it makes is its own
try {
  if (command === undefined) throw new Refusal(`Usage: main.js [${Object.keys(commands).join(' | ')}]`)
  await command(process.argv.slice(3))
  if (command !== serve) await exit(0, output)
} catch (error) {
  const errors = openOutput('stderr')
  errors.write(`${explain(error as Error)}\n`)
  await exit(1, output, errors)
}
