import type { Config } from '../config/environment.ts'
import type { Purpose } from '../domain/one-time-secret.ts'

/** For how many ms a link of that purpose lives. */
export function lifeOf({ RESET_TTL, VERIFY_TTL }: Config, purpose: Purpose): number {
  return purpose === 'reset' ? RESET_TTL : VERIFY_TTL
}
