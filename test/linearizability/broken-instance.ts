import { availableParallelism } from 'node:os'
import { buildApp } from '../../src/http/app.ts'
import { makeHashing } from '../../src/auth/credentials/hashing.ts'
import { keyPolicyOf, openKeyring } from '../../src/auth/keys/keyring.ts'
import { readConfig } from '../../src/config/environment.ts'
import { type AuthKeys, deriveAuthKey } from '../../src/domain/auth-secret.ts'
import { makeLogger, makeRecorder } from '../../src/process/log.ts'
import { openOutput } from '../../src/process/output.ts'
import { makeReadiness } from '../../src/process/readiness.ts'
import { connectRedis } from '../../src/store/redis/client.ts'
import { openRedis } from '../../src/store/redis/redis-store.ts'
import { type Broken, breakStore } from './broken.ts'

// An instance as src/main.ts makes it, on a store with one part broken: BROKEN names the part.

const config = readConfig(process.env)
if (config.REDIS_URL === undefined) throw new Error('no REDIS_URL')
const logger = makeLogger(config.LOG_LEVEL, openOutput('stdout'))
const record = makeRecorder(logger)
const redis = connectRedis(config.REDIS_URL, () => {})
const store = breakStore(openRedis(redis, Date.now), process.env['BROKEN'] as Broken)
const authKeys = config.AUTH_SECRET.map(deriveAuthKey) as unknown as AuthKeys
const policy = keyPolicyOf(config)
const keyring = openKeyring({ store, authKeys, policy, clock: Date.now, record })
const hashing = makeHashing({
  memoryKib: config.ARGON2_MEMORY_KIB,
  passes: config.ARGON2_PASSES,
  lanes: config.ARGON2_LANES,
  processors: availableParallelism(),
})
const moment = () => ({ now: Date.now(), histories: [] })
const graceMs = () => config.REFRESH_GRACE
const deps = {
  config,
  store,
  keyring,
  hashing,
  authKeys,
  clock: Date.now,
  moment,
  graceMs,
  record,
}
const isDraining = () => false
const checkReadiness = makeReadiness(deps, isDraining, logger)
const app = await buildApp(deps, { logger, isDraining, checkReadiness })
await app.listen({ host: config.HOST, port: config.PORT })
