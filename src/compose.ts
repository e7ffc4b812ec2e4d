import { availableParallelism } from 'node:os'
import type { Logger } from 'pino'
import { type IsBreached, knowsNoBreach, openBreaches } from './auth/credentials/breaches.ts'
import { type Hashing, makeHashing } from './auth/credentials/hashing.ts'
import { keyPolicyOf, openKeyring } from './auth/keys/keyring.ts'
import type { Config } from './config/environment.ts'
import type { RedisAddress } from './config/redis-url.ts'
import type { Deps } from './deps.ts'
import { type AuthKeys, deriveAuthKey } from './domain/auth-secret.ts'
import { makeRecorder } from './events/recorder.ts'
import { countDenials } from './metrics/denials.ts'
import { makeMeters, type Meters } from './metrics/meters.ts'
import type { Post } from './mail/delivery.ts'
import { openSender, type Sender } from './mail/sender.ts'
import { openTemplates } from './mail/templates.ts'
import { makeWords, type WordsOf } from './mail/words.ts'
import { keepAuthSecret } from './store/lmdb/auth-secret-file.ts'
import type { SharedClock } from './store/redis/clock.ts'
import type { Store } from './store/store.ts'
import type { Tracer } from './traces/tracer.ts'

/** What a test, or a build that is broken on purpose, uses instead of the real clock and store. */
export interface Instead {
  readonly clock?: () => number
  readonly hashing?: Hashing
  readonly store?: (real: Store) => Store
}

/** What a process of the service works with; `close` ends its background work and closes its store. */
export interface Composition {
  readonly deps: Deps
  readonly close: () => Promise<void>
}

/**
 * Wires the service as it is configured. The store and the clock are chosen here and nowhere else. The signing keys load in the
 * background.
 */
export async function compose(config: Config, logger: Logger, instead: Instead = {}): Promise<Composition> {
  const templates = config.MAIL_URL ? openTemplates(config) : null
  const meters = makeMeters()
  const { store: real, time } = await openStore(config, { logger, meters }, instead.clock)
  const store = countDenials(instead.store?.(real) ?? real, meters)
  const [clock, record, authKeys] = [time.now, makeRecorder(logger, meters.hear), await openAuthKeys(config)]
  const keyring = openKeyring({ store, authKeys, policy: keyPolicyOf(config), clock, record })
  const moment = () => ({ now: clock(), histories: time.histories() })
  const graceMs = () => config.REFRESH_GRACE + time.awayMs(config.REFRESH_GRACE)
  const post = { store, clock, record, onRefusal: reportRefusal(logger) }
  const sender = templates && (await openMail(config, makeWords(config, authKeys, templates), post))
  const tracer = await openTraces(config, logger)
  const deps = {
    config,
    store,
    keyring,
    hashing: instead.hashing ?? openHashing(config),
    isBreached: openBreachesOf(config, logger),
    authKeys,
    clock,
    moment,
    graceMs,
    sender,
    tracer,
    record,
    meters,
    storeSilentMs: time.silentMs,
  }
  async function close(): Promise<void> {
    keyring.close()
    await Promise.all([sender?.stop(), tracer?.close()])
    await store.close()
  }
  return { deps, close }
}

interface OpenStore {
  readonly store: Store
  readonly time: SharedClock
}

/** Opens the store of the configuration. Only its driver is loaded: a start takes less time. */
async function openStore(config: Config, told: Told, clock: Instead['clock']): Promise<OpenStore> {
  return config.REDIS_URL ? openOnRedis(config.REDIS_URL, told, clock) : openEmbedded(config, told, clock)
}

/** What hears of the store. */
interface Told {
  readonly logger: Logger
  readonly meters: Meters
}

async function openOnRedis(
  address: RedisAddress,
  { logger, meters }: Told,
  clock: Instead['clock'],
): Promise<OpenStore> {
  const [{ connectRedis }, { watchClock }, { openRedis }] = await Promise.all([
    import('./store/redis/client.ts'),
    import('./store/redis/clock.ts'),
    import('./store/redis/redis-store.ts'),
  ])
  const redis = connectRedis(address, reportOnce(logger, 'Redis connection'))
  const time = clock ? ownClock(clock) : watchClock(redis)
  return { store: openRedis(redis, time.now, meters.hearCommand), time }
}

async function openEmbedded({ DATA_DIR: dir }: Config, { meters }: Told, clock: Instead['clock']): Promise<OpenStore> {
  const { openLmdb } = await import('./store/lmdb/lmdb-store.ts')
  const time = ownClock(clock)
  return { store: await openLmdb({ dir, clock: time.now, onCommand: meters.hearCommand }), time }
}

/** The clock of this machine. Nobody is seen to set it, and it is never away. */
function ownClock(now: () => number = Date.now): SharedClock {
  return { now, histories: () => [], awayMs: () => 0, silentMs: () => 0 }
}

type Posted = Omit<Post, 'transport' | 'wordsOf'>

/** Opens the sender of mails. The driver is loaded here, only where there is a MAIL_URL. */
async function openMail({ MAIL_URL, MAIL_FROM }: Config, wordsOf: WordsOf, post: Posted): Promise<Sender | null> {
  if (!MAIL_URL || !MAIL_FROM) return null
  const { openTransport } = await import('./mail/transport.ts')
  return openSender({ ...post, wordsOf, transport: openTransport(MAIL_URL, MAIL_FROM) })
}

function reportRefusal(logger: Logger): Post['onRefusal'] {
  return ({ kind, tries }, cause) => logger.warn({ kind, tries, cause }, 'a mail was refused for now')
}

/** Opens what records spans. OpenTelemetry is loaded here, only where there is somewhere to send them. */
async function openTraces(config: Config, logger: Logger): Promise<Tracer | null> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, SERVICE_NAME: name } = config
  if (endpoint === undefined) return null
  const { openTracer } = await import('./traces/otlp.ts')
  return openTracer({ endpoint, name, onFailure: reportOnce(logger, 'spans were lost') })
}

async function openAuthKeys({ AUTH_SECRET, DATA_DIR }: Config): Promise<AuthKeys> {
  const secrets = AUTH_SECRET.length > 0 ? AUTH_SECRET : [await keepAuthSecret(DATA_DIR)]
  return secrets.map(deriveAuthKey) as unknown as AuthKeys
}

const THREADS = Number(process.env['UV_THREADPOOL_SIZE']) || 4

function openHashing(config: Config): Hashing {
  const { ARGON2_MEMORY_KIB: memoryKib, ARGON2_PASSES: passes, ARGON2_LANES: lanes } = config
  return makeHashing({ memoryKib, passes, lanes, processors: Math.min(availableParallelism(), THREADS) })
}

function openBreachesOf({ BREACHED_PASSWORDS_URL: url }: Config, logger: Logger): IsBreached {
  if (url === undefined) return knowsNoBreach
  return openBreaches(url, (err) => logger.warn({ err }, 'a new password was taken without the list of breached ones'))
}

/** Logs an error of a connection, but not the same message twice in a row: reconnecting would repeat it several times a second. */
function reportOnce(logger: Logger, what: string): (error: Error) => void {
  let said = ''
  return (error) => {
    if (error.message !== said) logger.warn({ err: error }, what)
    said = error.message
  }
}
