import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { unsealRefreshToken } from '../../domain/refresh-token.ts'
import { logOut } from '../sessions/logout.ts'
import { revokeToken } from '../tokens/denylist.ts'
import type { Verifier } from '../tokens/verify.ts'

/**
 * Revokes a token of ours, RFC 7009: an access token alone, a refresh token of either transport with its session. Whoever holds a token
 * may end it, as by a logout. What is no token of ours is left alone.
 */
export async function revoke(deps: Deps, { verifySignature }: Verifier, text: string, caller: Caller): Promise<void> {
  const claim = unsealRefreshToken(deps.authKeys, text)
  if (claim !== null) return void (await logOut(deps, [{ kind: 'refresh', claim }], 'session', caller))
  const signed = await verifySignature(text)
  if (signed !== null) await revokeToken(deps, signed.token, caller)
}
