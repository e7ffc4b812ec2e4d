import type { Deps } from '../../deps.ts'
import type { VerifiedToken } from './signed-tokens.ts'

/** Whether a token reaches more than what enrols a factor: with SECOND_FACTOR=required one of a person who has proven none does not. */
export function isAtRequiredLevel({ config }: Pick<Deps, 'config'>, { kind, claims }: VerifiedToken): boolean {
  return config.SECOND_FACTOR === 'optional' || kind === 'machine' || claims.acr === 'aal2'
}
