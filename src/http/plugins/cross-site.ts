import type { FastifyRequest } from 'fastify'
import type { Deps } from '../../deps.ts'
import { isFromAllowedSite } from '../../domain/cross-site.ts'
import { Problem } from '../problems.ts'
import { callerOf } from '../request-caller.ts'

/**
 * Throws Problem `cross_site` unless the request comes from the own origin of the service, or from an allowed one. For requests
 * with the cookie.
 */
export type RefuseCrossSite = (request: FastifyRequest) => void

/** Makes the guard for the configured origins. */
export function makeCrossSiteGuard({ config, record }: Deps): RefuseCrossSite {
  const own = new URL(config.ISSUER).origin
  return (request) => {
    const secFetchSite = request.headers['sec-fetch-site']
    const provenance = { secFetchSite: secFetchSite?.toString(), origin: request.headers.origin }
    if (isFromAllowedSite(provenance, own, config.ALLOWED_ORIGINS)) return
    record({ event: 'origin.refused' }, callerOf(request))
    throw new Problem('cross_site')
  }
}

/** Makes the preValidation hook of routes that open a session: it refuses a request that asks for the cookie from elsewhere. */
export function guardWish(refuseCrossSite: RefuseCrossSite) {
  return async (request: FastifyRequest): Promise<void> => {
    if (asksForCookie(request)) refuseCrossSite(request)
  }
}

/** Whether the body, not validated yet, asks for the cookie as its transport. */
function asksForCookie({ body }: FastifyRequest): boolean {
  return typeof body === 'object' && body !== null && 'transport' in body && body.transport === 'cookie'
}
