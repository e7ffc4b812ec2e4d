import type { FastifyRequest } from 'fastify'
import { isRevoked } from '../auth/access.ts'
import { readSession, whyRefused } from '../auth/refresh.ts'
import type { Self } from '../auth/sessions.ts'
import { endSession, endSessions } from '../auth/sessions.ts'
import { isExpired } from '../domain/access-token.ts'
import { unsealRefreshToken } from '../domain/refresh-token.ts'
import type { Caller, Transport } from '../domain/session.ts'
import type { App } from '../plugins/app.ts'
import { callerOf } from '../plugins/app.ts'
import { Problem } from '../problems.ts'
import type { CookieEdge } from './edge.ts'
import { LogoutBody, NoContent, problems } from './schemas.ts'

const schema = {
  operationId: 'logout',
  tags: ['Sessions'],
  summary: 'Log out',
  description:
    'Takes a refresh token in the body, else the cookie, else an access token (an expired one will do for this session). Once it is answered, ' +
    'no instance accepts the tokens again. Idempotent: a token that means nothing any more is answered 204 too.',
  body: LogoutBody,
  security: [{ bearer: [] }, { cookie: [] }, {}],
  response: {
    204: NoContent.meta({ description: 'Logged out.', headers: ['Set-Cookie'] }),
    ...problems('bad_request', 'no_token', 'token_invalid', 'token_expired', 'token_revoked', 'session_over', 'cross_site', 'too_large', 'unsupported_media_type', 'too_many_requests', 'busy', 'store_unavailable'),
  },
}

/** POST /v1/logout */
export function logoutRoute(app: App, { deps, bearer, limits, cookie, refuseCrossSite }: CookieEdge): void {
  /** Whose session the refresh token is of; null if it means nothing. With `isLive`, only if a refresh would accept it. */
  async function byRefreshToken(token: string, transport: Transport, isLive: boolean): Promise<Self | null> {
    const claim = unsealRefreshToken(deps.authKeys, token)
    if (claim?.transport !== transport) return null
    if (!isLive) return (await readSession(deps, claim)) && claim
    const reason = await whyRefused(deps, claim)
    if (reason !== null) throw new Problem('session_over', { reason })
    return claim
  }

  /** Whose session the access token is of; null if it is none of ours or has been revoked. With `isLive`, only if it is alive. */
  async function byAccessToken(request: FastifyRequest, isLive: boolean): Promise<Self | null> {
    const token = await bearer.identify(request).catch(forgiveInvalid)
    if (token === null) return null
    if (isLive && isExpired(token.claims, deps.clock())) throw new Problem('token_expired')
    if (await isRevoked(deps, token)) return refuseRevoked(isLive)
    return { userId: token.claims.sub, sessionId: token.claims.sid }
  }

  async function identify(request: FastifyRequest, sent: string | undefined, isLive: boolean): Promise<Self | null> {
    if (sent !== undefined) return byRefreshToken(sent, 'body', isLive)
    const inCookie = cookie.read(request)
    return inCookie === undefined ? byAccessToken(request, isLive) : byRefreshToken(inCookie, 'cookie', isLive)
  }

  function endOne({ userId, sessionId }: Self, caller: Caller): Promise<boolean> {
    return endSession(deps, { userId, sessionId, reason: 'logged_out', isVouched: true }, caller)
  }

  app.route({
    method: 'POST',
    url: '/v1/logout',
    schema,
    onRequest: limits.perAddress('api'),
    preValidation: async (request) => {
      if (cookie.read(request) !== undefined && !hasRefreshToken(request.body)) refuseCrossSite(request)
    },
    async handler(request, reply) {
      const { refresh_token: sent, scope = 'session' } = request.body ?? {}
      const self = await identify(request, sent, scope !== 'session')
      if (scope !== 'session' && self === null) throw new Problem('token_invalid')
      if (self !== null && scope === 'session') await endOne(self, callerOf(request))
      if (self !== null && scope !== 'session') {
        await endSessions(deps, { userId: self.userId, keep: scope === 'others' ? self.sessionId : null }, callerOf(request))
      }
      if (sent === undefined && scope !== 'others' && cookie.read(request) !== undefined) cookie.clear(reply)
      return reply.code(204).send()
    },
  })
}

function refuseRevoked(isLive: boolean): null {
  if (isLive) throw new Problem('token_revoked')
  return null
}

function forgiveInvalid(error: unknown): null {
  if (error instanceof Problem && error.code === 'token_invalid') return null
  throw error
}

function hasRefreshToken(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'refresh_token' in body
}
