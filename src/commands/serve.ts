import { compose, type Instead } from '../compose.ts'
import type { Config } from '../config/environment.ts'
import { buildAdminApp } from '../http/admin-app.ts'
import { buildApp } from '../http/app.ts'
import { makeDrain } from '../process/drain.ts'
import { exit, giveUp, outliveFaults } from '../process/exit.ts'
import { listenAddress } from '../process/listen-address.ts'
import { makeLogger } from '../process/log.ts'
import type { Output } from '../process/output.ts'
import { makeReadiness } from '../process/readiness.ts'
import { awaitKeys } from './await-keys.ts'

/** For how many ms the process goes on serving after SIGTERM, so that balancers notice. */
const NOTICE_MS = 3000
/** A stop that has not ended after this many ms is ended by force. */
const GIVE_UP_MS = 9000
/** Readiness is checked every so many ms, so that a fault is in the log even if nobody asks /readyz. */
const CHECK_MS = 5000
/** For how many ms the start waits for the signing keys. Then the service listens without them, and says that it is not ready. */
const KEYS_PATIENCE_MS = 2000
const NO_ISSUER = "ISSUER is not set: instances on other ports refuse each other's tokens"

/** Runs the service: resolves once it listens, and ends the process at SIGTERM or SIGINT. */
export async function serve(
  config: Config,
  output: Output,
  _words: readonly string[] = [],
  instead: Instead = {},
): Promise<void> {
  const logger = makeLogger(config.LOG_LEVEL, output)
  const { deps, close } = await compose(config, logger, instead)
  const { isDraining, drain } = makeDrain()
  const checks = makeReadiness(deps, isDraining, logger)
  const options = { logger, isDraining, ...checks }
  const app = await buildApp(deps, options)
  const adminApp = config.ADMIN_PORT === undefined ? null : await buildAdminApp(deps, options)

  async function stop(noticeMs: number): Promise<void> {
    if (isDraining()) return
    setTimeout(giveUp, GIVE_UP_MS).unref()
    logger.info('stopping')
    await Promise.all([drain(app, noticeMs), deps.sender?.stop()])
    await adminApp?.close()
    await close()
    logger.info('stopped')
    await exit(0, output)
  }
  outliveFaults(logger, output)
  process.on('SIGTERM', () => void stop(NOTICE_MS))
  process.on('SIGINT', () => void stop(0))

  await awaitKeys(deps.keyring, KEYS_PATIENCE_MS)
  const address = await app.listen({ host: await listenAddress(config.HOST), port: config.PORT })
  const adminAddress = await adminApp?.listen({
    host: await listenAddress(config.ADMIN_HOST),
    port: config.ADMIN_PORT as number,
  })
  logger.info({ address, admin_address: adminAddress, store: config.REDIS_URL ? 'redis' : 'embedded' }, 'listening')
  if (config.REDIS_URL && !process.env['ISSUER']) logger.warn(NO_ISSUER)
  void checks.checkReadiness()
  setInterval(() => void checks.checkReadiness(), CHECK_MS).unref()
}
