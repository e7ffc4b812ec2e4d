import type { AccessClaims } from './access-token.ts'

// The denylist: what must be remembered of a revocation, and for how long, so that no access token that it revokes is accepted again.

/** For how many ms after its `exp` a token is still accepted, against skewed clocks. */
export const LEEWAY_MS = 10_000

/** The longest ACCESS_TTL, in ms: no token lives longer, whatever the settings were when it was issued. */
export const LONGEST_ACCESS_TTL_MS = 24 * 3_600_000

/**
 * For how many ms longer than needed denials and sessions are remembered: the clock of the store may be set by hours before
 * anybody notices. More than LONGEST_ACCESS_TTL_MS, so that a denial made under a short ACCESS_TTL also outlives the tokens of
 * instances that have, had or will have a longer one.
 */
export const MARGIN_MS = 26 * 3_600_000

/** The three entries of the denylist that could deny a token, as the store has them. */
export interface Denials {
  readonly token: boolean
  readonly session: boolean
  /** The lowest generation of the user that is still accepted; null: every one is. */
  readonly generation: number | null
}

/** Until when (ms since the epoch) a denial made at `now` must be remembered: past the death of every token issued until now. */
export function deniedUntil(now: number, accessTtlMs: number): number {
  return now + accessTtlMs + LEEWAY_MS + MARGIN_MS
}

/**
 * The generation that follows this one at `now`. It is above each that was there before, also above one that a failover has lost:
 * that change was never answered, but a token may say its generation.
 */
export function generationAfter(generation: number, now: number): number {
  return Math.max(generation + 1, Math.floor(now))
}

/** Whether these denials concern this token. */
export function isDenied(claims: Pick<AccessClaims, 'gen'>, denials: Denials): boolean {
  return denials.token || denials.session || (denials.generation !== null && claims.gen < denials.generation)
}
