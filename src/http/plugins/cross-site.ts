import type { FastifyRequest } from 'fastify'
import type { Deps } from '../../deps.ts'
import { isFromAllowedSite } from '../../domain/cross-site.ts'
import { Problem } from '../problems.ts'
import { callerOf } from '../request-caller.ts'

/** Refuses a request that uses the cookie unless it comes from the service's own origin or an allowed one. */
export type RefuseCrossSite = (request: FastifyRequest) => void

/** Makes the check for the configured origins. */
export function makeCrossSiteCheck({ config, record }: Deps): RefuseCrossSite {
  const own = new URL(config.ISSUER).origin
  return (request) => {
    const secFetchSite = request.headers['sec-fetch-site']
    const provenance = { secFetchSite: secFetchSite?.toString(), origin: request.headers.origin }
    if (isFromAllowedSite(provenance, own, config.ALLOWED_ORIGINS)) return
    record({ event: 'origin.refused' }, callerOf(request))
    throw new Problem('cross_site')
  }
}

/** Whether a body that has not been validated yet asks for the cookie. */
export function asksForCookie({ body }: FastifyRequest): boolean {
  return typeof body === 'object' && body !== null && 'transport' in body && body.transport === 'cookie'
}
