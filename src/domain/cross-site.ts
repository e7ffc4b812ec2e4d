/** What a browser says of where a request comes from. */
export interface Provenance {
  readonly secFetchSite: string | undefined
  readonly origin: string | undefined
}

const FETCH_SITES = new Set(['same-origin', 'same-site', 'cross-site', 'none'])

/**
 * Whether a request that uses the cookie comes from where it may: from the service's own origin or an allowed one.
 * A browser that does not say (Sec-Fetch-Site absent or unheard of) must name the origin; one that says nothing is refused.
 */
export function isFromAllowedSite(
  { secFetchSite, origin }: Provenance,
  own: string,
  allowed: readonly string[],
): boolean {
  if (secFetchSite === 'same-origin') return true
  if (origin === undefined) return false
  if (allowed.includes(origin)) return true
  return origin === own && !FETCH_SITES.has(secFetchSite ?? '')
}
