import type { Deps } from '../deps.ts'
import { type AccessClaims, isExpired } from '../domain/access-token.ts'
import { deniedUntil, isDenied } from '../domain/revocation.ts'
import type { Caller } from '../domain/session.ts'
import { keys } from '../store/keys.ts'
import { type Entries, StoreUnavailable, put } from '../store/store.ts'
import type { VerifiedToken } from './claims-cache.ts'

export type Admission = 'alive' | 'expired' | 'revoked'

/**
 * Whether a verified access token is alive right now: its time judged, the three places of the denylist that concern it
 * read, every time. Throws StoreUnavailable when that cannot be known.
 */
export async function admit(deps: Deps, token: VerifiedToken): Promise<Admission> {
  if (isExpired(token.claims, deps.clock())) return 'expired'
  return judge(deps, token, await deps.store.getMany(token.deniedAt)) ? 'revoked' : 'alive'
}

/** Whether the denylist concerns the token, expired or not. */
export async function isRevoked(deps: Deps, token: VerifiedToken): Promise<boolean> {
  return judge(deps, token, await deps.store.getMany(token.deniedAt))
}

function judge({ keyring }: Deps, token: VerifiedToken, found: Entries<VerifiedToken['deniedAt']>): boolean {
  const [identity, deniedToken, deniedSession, deniedBelow] = found
  if (identity?.value !== token.identity) {
    void keyring.reload().catch(() => {}) // tells tokens of the store that is gone from those of the one that is there
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
