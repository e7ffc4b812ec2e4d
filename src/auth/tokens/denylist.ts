import type { Deps } from '../../deps.ts'
import { type AccessClaims, isExpired } from '../../domain/access-token.ts'
import type { Caller } from '../../domain/caller.ts'
import { deniedUntil, isDenied } from '../../domain/revocation.ts'
import { keys } from '../../store/keys.ts'
import { type Entries, put } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import { demandIdentity } from '../keys/store-identity.ts'
import type { VerifiedToken } from './signed-tokens.ts'

/** What has become of a verified access token. */
export type TokenState = 'alive' | 'expired' | 'revoked'

/**
 * Reads whether a verified access token is alive now. Its expiry and its three entries in the denylist are checked at every
 * request. Throws StoreUnavailable when that cannot be known.
 */
export async function readTokenState(deps: Deps, token: VerifiedToken): Promise<TokenState> {
  if (isExpired(token.claims, deps.clock(), deps.config.ACCESS_TTL)) return 'expired'
  return isOnDenylist(deps, token, await deps.store.getMany(token.deniedAt)) ? 'revoked' : 'alive'
}

function isOnDenylist(deps: Deps, token: VerifiedToken, found: Entries<VerifiedToken['deniedAt']>): boolean {
  const [identity, deniedToken, deniedSession, deniedBelow] = found
  demandIdentity(deps, identity, token.identity)
  return isDenied(token.claims, {
    token: deniedToken !== null,
    session: deniedSession !== null,
    generation: deniedBelow?.value ?? null,
  })
}

/**
 * Reads whether the token is dead though its session may live: it was denied alone, or issued before the password was changed. The
 * session knows the latter even when the denylist no longer remembers it.
 */
export async function isSuperseded(deps: Deps, token: VerifiedToken): Promise<boolean> {
  const { sub, sid, jti, gen } = token.claims
  const places = [keys.identity, keys.session(sub, sid), keys.deniedToken(sub, jti)] as const
  const [identity, session, deniedToken] = await deps.store.getMany(places)
  demandIdentity(deps, identity, token.identity)
  return deniedToken !== null || (session?.value.kind === 'live' && gen < session.value.passwordGeneration)
}

/** Denies one access token, and no other token of its session. It is refused once this has resolved. */
export async function revokeToken(deps: Deps, { sub, sid, jti }: AccessClaims, caller: Caller): Promise<void> {
  const until = deniedUntil(deps.clock(), deps.config.ACCESS_TTL)
  const puts = [put(keys.deniedToken(sub, jti), true, until)]
  const events = [{ event: 'token.revoked', user_id: sub, session_id: sid }] as const
  await carryOut(deps, { checks: [], puts, deletes: [], events }, caller)
}
