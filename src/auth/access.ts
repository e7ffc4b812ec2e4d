import type { Deps } from '../deps.ts'
import { type AccessClaims, isExpired } from '../domain/access-token.ts'
import { deniedUntil, isDenied } from '../domain/revocation.ts'
import type { Caller } from '../domain/session.ts'
import { keys } from '../store/keys.ts'
import { StoreUnavailable, put } from '../store/store.ts'
import type { VerifiedToken } from './claims-cache.ts'

export type Admission = 'alive' | 'expired' | 'revoked'

/**
 * Whether a verified access token is alive right now: its time judged, the three places of the denylist that concern it
 * read, every time. Throws StoreUnavailable when that cannot be known.
 */
export async function admit(deps: Deps, token: VerifiedToken): Promise<Admission> {
  if (isExpired(token.claims, deps.clock())) return 'expired'
  return (await isRevoked(deps, token)) ? 'revoked' : 'alive'
}

/** Whether the denylist concerns the token, expired or not. */
export async function isRevoked({ store, keyring }: Deps, token: VerifiedToken): Promise<boolean> {
  const [identity, deniedToken, deniedSession, deniedBelow] = await store.getMany(token.deniedAt)
  if (identity?.value !== token.identity) {
    await keyring.reload()
    throw new StoreUnavailable('this is not the store that the token comes from')
  }
  return isDenied(token.claims, {
    token: deniedToken !== null,
    session: deniedSession !== null,
    generation: deniedBelow?.value ?? null,
  })
}

/** Denies one access token, and nothing else of its session, from the moment this resolves. */
export async function revokeToken(
  { store, config, clock, record }: Deps,
  claims: AccessClaims,
  caller: Caller,
): Promise<void> {
  const denial = put(keys.deniedToken(claims.sub, claims.jti), true, deniedUntil(clock(), config.ACCESS_TTL))
  await store.commit({ checks: [], puts: [denial], deletes: [] })
  record('token.revoked', { user_id: claims.sub, session_id: claims.sid }, caller)
}
