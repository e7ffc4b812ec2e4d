/** What a browser says about the page that a request comes from: its Sec-Fetch-Site and Origin headers. */
export interface Provenance {
  readonly secFetchSite: string | undefined
  readonly origin: string | undefined
}

const FETCH_SITES = new Set(['same-origin', 'same-site', 'cross-site', 'none'])

/**
 * Whether a request that uses the cookie comes from the service's own origin or an allowed one. A browser that sends no known
 * Sec-Fetch-Site must send an Origin; a request with neither is not let through.
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
