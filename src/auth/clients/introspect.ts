import type { Deps } from '../../deps.ts'
import type { Client } from '../../domain/client.ts'
import { isMeantFor } from '../../domain/machine-token.ts'
import type { RefreshClaim } from '../../domain/refresh-token.ts'
import { whyRefused } from '../sessions/refresh.ts'
import { readTokenState } from '../tokens/denylist.ts'
import { readRefreshToken } from '../tokens/presented.ts'
import { isAtRequiredLevel } from '../tokens/required-level.ts'
import type { VerifiedToken } from '../tokens/signed-tokens.ts'
import type { Verifier } from '../tokens/verify.ts'

/** A token that is good now. */
export type ActiveToken =
  | { readonly kind: 'access'; readonly claims: VerifiedToken['claims'] }
  | { readonly kind: 'refresh'; readonly claim: RefreshClaim }

/**
 * Reads what a client may know of a token, RFC 7662 section 2.2; null: it is not active, or its audience is none of the client's. Throws
 * StoreUnavailable when that cannot be known.
 */
export async function introspect(
  deps: Deps,
  { recall, verify }: Verifier,
  { audiences }: Pick<Client, 'audiences'>,
  text: string,
): Promise<ActiveToken | null> {
  const refreshToken = readRefreshToken(deps, text, 'body')
  if (refreshToken !== null) {
    const { claim } = refreshToken
    const isActive = audiences.includes(deps.config.AUDIENCE) && (await whyRefused(deps, claim)) === null
    return isActive ? { kind: 'refresh', claim } : null
  }
  const token = recall(text) ?? (await verify(text))
  if (token === null || !audiences.some((each) => isMeantFor(token.claims.aud, each))) return null
  if (!isAtRequiredLevel(deps, token)) return null
  return (await readTokenState(deps, token)) === 'alive' ? { kind: 'access', claims: token.claims } : null
}
