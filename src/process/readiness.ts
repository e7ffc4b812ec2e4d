import type { FastifyBaseLogger } from 'fastify'
import { atMostEvery } from '../auth/at-most-every.ts'
import type { Deps } from '../deps.ts'

export interface Readiness {
  /** Why the balancer should send no requests here, for an operator; empty: it should. */
  readonly reasons: readonly string[]
  /** What is promised less than could be, by the way the store is set up. */
  readonly warnings: readonly string[]
}

export type CheckReadiness = () => Promise<Readiness>

/** The store is read, written and asked for its settings this often at most, whoever asks. */
const PAUSE_MS = 250
const STOPPING: Readiness = { reasons: ['the process is stopping'], warnings: [] }

/**
 * Makes the check of the store and the signing keys. It begins after it was asked for, and so at most PAUSE_MS later; but
 * that the process is stopping is said at once. What it finds is logged when it changes.
 */
export function makeReadiness(
  { store, keyring }: Pick<Deps, 'store' | 'keyring'>,
  isDraining: () => boolean,
  logger: FastifyBaseLogger,
): CheckReadiness {
  let said: string | undefined
  const look = atMostEvery(PAUSE_MS, async (): Promise<Readiness> => {
    const [faults, warnings] = await Promise.all([store.faults(), store.weaknesses()])
    return { reasons: [...faults, keyring.fault()].filter(isSaid), warnings }
  })
  return async () => {
    const seen = isDraining() ? STOPPING : await look()
    const found = isDraining() ? STOPPING : seen
    if (JSON.stringify(found) !== said) tell(logger, found)
    said = JSON.stringify(found)
    return found
  }
}

function tell(logger: FastifyBaseLogger, { reasons, warnings }: Readiness): void {
  if (reasons.length > 0) logger.warn({ reasons }, 'not ready')
  else logger.info('ready')
  for (const warning of warnings) logger.warn(warning)
}

function isSaid(reason: string | null): reason is string {
  return reason !== null
}
