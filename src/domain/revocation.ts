import type { AccessClaims } from './access-token.ts'

// The denylist: what must be remembered of a revocation, and for how long, so that no access token it concerns is accepted again.

/** Seconds by which an expired token may be late, against skewed clocks. */
export const LEEWAY_MS = 10_000

/** The longest ACCESS_TTL: whatever the settings were when a token was issued, it lives no longer. */
export const LONGEST_ACCESS_TTL_MS = 24 * 3_600_000

/**
 * How much longer than needed denials and sessions are remembered: the clock of the store may be set by hours before anybody
 * sees it. Longer than LONGEST_ACCESS_TTL_MS: what is denied while ACCESS_TTL is short stays denied where it was long before, or will be.
 */
export const MARGIN_MS = 26 * 3_600_000

/** What the store said when asked for the three entries that could deny a token. */
export interface Denials {
  readonly token: boolean
  readonly session: boolean
  /** The lowest generation still accepted, where the store remembers one. */
  readonly generation: number | null
}

/** Until when a denial made at `now` must be remembered: past the death of every token issued until now. */
export function deniedUntil(now: number, accessTtlMs: number): number {
  return now + accessTtlMs + LEEWAY_MS + MARGIN_MS
}

/** Whether these denials concern this token. */
export function isDenied(claims: Pick<AccessClaims, 'gen'>, denials: Denials): boolean {
  return denials.token || denials.session || (denials.generation !== null && claims.gen < denials.generation)
}
