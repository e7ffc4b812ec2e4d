import { compose } from '../compose.ts'
import type { Config } from '../config/environment.ts'
import { placeOf } from '../config/redis-url.ts'
import type { Deps } from '../deps.ts'
import { makeLogger } from '../process/log.ts'
import type { Output } from '../process/output.ts'
import { Refusal } from '../process/refusal.ts'
import { hasStore } from '../store/lmdb/data-folder.ts'

/** For how many ms a command waits for a store that does not answer. */
export const PATIENCE_MS = 9000

/**
 * Runs the work of a command on the store that the configuration names; `place` names that store for people. Throws Refusal if
 * there is none.
 */
export async function withStore(
  config: Config,
  output: Output,
  work: (deps: Deps, place: string) => Promise<void>,
): Promise<void> {
  const { MAIL_URL: _, ...silent } = config // a command sends no mail
  const { REDIS_URL, DATA_DIR } = config
  if (!REDIS_URL && !hasStore(DATA_DIR))
    throw new Refusal(`There is no store in ${DATA_DIR}: set REDIS_URL or DATA_DIR.`)
  const { deps, close } = await compose(silent, makeLogger(config.LOG_LEVEL, output))
  try {
    await work(deps, REDIS_URL ? `Redis at ${placeOf(REDIS_URL)}` : `The store in ${DATA_DIR}`)
  } finally {
    await close()
  }
}
