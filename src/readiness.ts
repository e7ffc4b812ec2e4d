import type { FastifyBaseLogger } from 'fastify'
import type { Deps } from './deps.ts'

/** Why the balancer should send no requests here, for an operator; empty: it should. */
export type CheckReadiness = () => Promise<readonly string[]>

/** Makes the check of the store and the signing keys; what it finds is logged when it changes. */
export function makeReadiness(
  { store, keyring }: Pick<Deps, 'store' | 'keyring'>,
  isDraining: () => boolean,
  logger: FastifyBaseLogger,
): CheckReadiness {
  let said: string | undefined
  return async () => {
    const keyFault = keyring.fault()
    const faults = [...(await store.faults()), ...(keyFault === null ? [] : [keyFault])]
    const reasons = isDraining() ? ['the process is stopping', ...faults] : faults
    if (reasons.join() !== said) {
      if (reasons.length > 0) logger.warn({ reasons }, 'not ready')
      else logger.info('ready')
    }
    said = reasons.join()
    return reasons
  }
}
