import type { FastifyBaseLogger } from 'fastify'
import type { Deps } from './deps.ts'

export interface Readiness {
  /** Why the balancer should send no requests here, for an operator; empty: it should. */
  readonly reasons: readonly string[]
  /** What is promised less than could be, by the way the store is set up. */
  readonly warnings: readonly string[]
}

export type CheckReadiness = () => Promise<Readiness>

/** Makes the check of the store and the signing keys; what it finds is logged when it changes. */
export function makeReadiness(
  { store, keyring }: Pick<Deps, 'store' | 'keyring'>,
  isDraining: () => boolean,
  logger: FastifyBaseLogger,
): CheckReadiness {
  let said: string | undefined
  return async () => {
    const [faults, warnings] = await Promise.all([store.faults(), store.weaknesses()])
    const reasons = [isDraining() ? 'the process is stopping' : null, ...faults, keyring.fault()].filter(isSaid)
    const found = { reasons, warnings }
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
