import type { Deps } from '../../deps.ts'
import { isExpired } from '../../domain/access-token.ts'
import type { Caller } from '../../domain/caller.ts'
import { deniedUntil, isDenied } from '../../domain/revocation.ts'
import type { SecurityEvent } from '../../events/security-events.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import { demandIdentity } from '../keys/store-identity.ts'
import type { PersonToken, VerifiedToken } from './signed-tokens.ts'

/** What has become of a verified access token. */
export type TokenState = 'alive' | 'expired' | 'revoked'

/**
 * Reads whether a verified access token is alive now. Its expiry and its entries in the denylist are checked at every
 * request. Throws StoreUnavailable when that cannot be known.
 */
export async function readTokenState(deps: Deps, token: VerifiedToken): Promise<TokenState> {
  if (isExpired(token.claims, deps.clock(), deps.config.ACCESS_TTL)) return 'expired'
  return isOnDenylist(deps, token, await deps.store.getMany(token.deniedAt)) ? 'revoked' : 'alive'
}

/** What is found where a token would be denied; only that of a person has a session. */
type Found = readonly [
  identity: Entry<string> | null,
  deniedToken: Entry<true> | null,
  deniedBelow: Entry<number> | null,
  deniedSession?: Entry<true> | null,
]

function isOnDenylist(deps: Deps, token: VerifiedToken, found: Found): boolean {
  const [identity, deniedToken, deniedBelow, deniedSession = null] = found
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
export async function isSuperseded(deps: Deps, token: PersonToken): Promise<boolean> {
  const { sub, sid, jti, gen } = token.claims
  const places = [keys.identity, keys.session(sub, sid), keys.deniedToken(sub, jti)] as const
  const [identity, session, deniedToken] = await deps.store.getMany(places)
  demandIdentity(deps, identity, token.identity)
  return deniedToken !== null || (session?.value.kind === 'live' && gen < session.value.passwordGeneration)
}

/** Denies one access token, and no other token of its session or client. It is refused once this has resolved. */
export async function revokeToken(deps: Deps, token: VerifiedToken, caller: Caller): Promise<void> {
  const [, deniedToken] = token.deniedAt
  const puts = [put<true>(deniedToken, true, deniedUntil(deps.clock(), deps.config.ACCESS_TTL))]
  await carryOut(deps, { checks: [], puts, deletes: [], events: [revocationOf(token)] }, caller)
}

function revocationOf({ kind, claims }: VerifiedToken): SecurityEvent {
  return kind === 'person'
    ? { event: 'token.revoked', user_id: claims.sub, session_id: claims.sid }
    : { event: 'client.token_revoked', client_id: claims.sub }
}
