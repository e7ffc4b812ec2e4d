import type { Deps } from '../../deps.ts'
import { type AccessClaims, isExpired } from '../../domain/access-token.ts'
import type { Caller } from '../../domain/caller.ts'
import { deniedUntil, isDenied } from '../../domain/revocation.ts'
import { keys } from '../../store/keys.ts'
import { type Entries, type Entry, StoreUnavailable, put } from '../../store/store.ts'
import type { VerifiedToken } from './claims-cache.ts'

export type Admission = 'alive' | 'expired' | 'revoked'

/**
 * Whether a verified access token is alive right now: its time judged, the three places of the denylist that concern it
 * read, every time. Throws StoreUnavailable when that cannot be known.
 */
export async function admit(deps: Deps, token: VerifiedToken): Promise<Admission> {
  if (isOutOfTime(deps, token)) return 'expired'
  return judge(deps, token, await deps.store.getMany(token.deniedAt)) ? 'revoked' : 'alive'
}

/** Whether the token's time is over. */
function isOutOfTime({ config, clock }: Deps, { claims }: VerifiedToken): boolean {
  return isExpired(claims, clock(), config.ACCESS_TTL)
}

/**
 * Whether the token is dead though its session may live: denied alone, or of before a password change. Of one whose denial
 * has been forgotten the session knows.
 */
export async function isSuperseded(deps: Deps, token: VerifiedToken): Promise<boolean> {
  const { sub, sid, gen } = token.claims
  const places = [keys.session(sub, sid), ...token.deniedAt] as const
  const [session, identity, deniedToken, , deniedBelow] = await deps.store.getMany(places)
  demandStore(deps, identity, token.identity)
  const generation = session?.value.kind === 'live' ? session.value.generation : 0
  return deniedToken !== null || gen < Math.max(generation, deniedBelow?.value ?? 0)
}

/** The identity of the store; throws StoreUnavailable unless it still is the one that the keys came from, or that a token came from. */
export function demandStore({ keyring }: Deps, found: Entry<string> | null, known: string | null): string {
  if (found !== null && found.value === known) return found.value
  void keyring.reload().catch(() => {}) // tells what is of the store that is gone from what is of the one that is there
  throw new StoreUnavailable('this is not the store it was')
}

function judge(deps: Deps, token: VerifiedToken, found: Entries<VerifiedToken['deniedAt']>): boolean {
  const [identity, deniedToken, deniedSession, deniedBelow] = found
  demandStore(deps, identity, token.identity)
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
