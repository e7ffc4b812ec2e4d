import type { FastifyBaseLogger } from 'fastify'
import { atMostEvery } from '../auth/at-most-every.ts'
import type { Deps } from '../deps.ts'

/** Whether the balancer should send requests to this instance. */
export interface Readiness {
  /** Why it should not, in words for an operator; empty: it should. */
  readonly reasons: readonly string[]
  /** Which promises are weaker than they could be, because of how the store is set up. */
  readonly warnings: readonly string[]
}

/** Checks the readiness of this instance. */
export type CheckReadiness = () => Promise<Readiness>

/** What is asked about the readiness of this instance. */
export interface Checks {
  /** Whether it should get requests now. */
  readonly checkReadiness: CheckReadiness
  /** The same, but once it has been ready only what is its own counts, whatever the store does now. */
  readonly checkOwnReadiness: CheckReadiness
  /** What was last found; null: nothing yet. */
  readonly lastReadiness: () => Readiness | null
}

/** With at least this pause the store is read, written and asked for its settings, however many ask for the readiness. */
const PAUSE_MS = 250
const STOPPING: Readiness = { reasons: ['the process is stopping'], warnings: [] }

/**
 * Makes the checks of the store and the signing keys. What `checkReadiness` answers was found after it was asked: it begins at most
 * PAUSE_MS later. While the process is stopping both say so at once. Each change of the answer is logged.
 */
export function makeReadiness(
  { store, keyring }: Pick<Deps, 'store' | 'keyring'>,
  isDraining: () => boolean,
  logger: FastifyBaseLogger,
): Checks {
  let last: Readiness | null = null
  let wasReady = false
  const examine = atMostEvery(PAUSE_MS, async (): Promise<Readiness> => {
    const [faults, warnings] = await Promise.all([store.faults(), store.weaknesses()])
    return { reasons: [...faults, keyring.fault()].filter(isFault), warnings }
  })

  async function checkReadiness(): Promise<Readiness> {
    const examined = isDraining() ? STOPPING : await examine()
    const found = isDraining() ? STOPPING : examined // the process may have begun to stop meanwhile
    if (JSON.stringify(found) !== JSON.stringify(last)) logReadiness(logger, found)
    last = found
    wasReady ||= found.reasons.length === 0
    return found
  }

  async function checkOwnReadiness(): Promise<Readiness> {
    if (!wasReady || isDraining()) return checkReadiness()
    return { reasons: [keyring.fault()].filter(isFault), warnings: [] }
  }

  return { checkReadiness, checkOwnReadiness, lastReadiness: () => (isDraining() ? STOPPING : last) }
}

function logReadiness(logger: FastifyBaseLogger, { reasons, warnings }: Readiness): void {
  if (reasons.length > 0) logger.warn({ reasons }, 'not ready')
  else logger.info('ready')
  for (const warning of warnings) logger.warn(warning)
}

function isFault(reason: string | null): reason is string {
  return reason !== null
}
