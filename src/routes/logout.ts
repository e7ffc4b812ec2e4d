import type { FastifyRequest } from 'fastify'
import { isOutOfTime, isRevoked } from '../auth/access.ts'
import { readSession, whyRefused } from '../auth/refresh.ts'
import { endSession, endSessions, type Self } from '../auth/sessions.ts'
import type { Deps } from '../deps.ts'
import { unsealRefreshToken } from '../domain/refresh-token.ts'
import type { Caller, Transport } from '../domain/session.ts'
import { type App, callerOf } from '../plugins/app.ts'
import { Problem } from '../problems.ts'
import type { CookieEdge, Edge } from './edge.ts'
import { BODY_PROBLEMS, TOKEN_PROBLEMS, problems } from './problem-schemas.ts'
import { LogoutBody, NoContent } from './schemas.ts'

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
    ...problems(
      ...TOKEN_PROBLEMS,
      ...BODY_PROBLEMS,
      'session_over',
      'cross_site',
      'too_many_requests',
      'busy',
      'store_unavailable',
    ),
  },
}

/** POST /v1/logout */
export function logoutRoute(app: App, edge: CookieEdge): void {
  const { deps, limits, cookie, refuseCrossSite } = edge
  app.route({
    method: 'POST',
    url: '/v1/logout',
    schema,
    onRequest: [
      limits.perAddress('api'),
      async (request) => {
        // What is no JSON, a form of another site say, brings no token of its own: it lives on the cookie.
        if (!isJson(request) && cookie.isSent(request)) refuseCrossSite(request)
      },
    ],
    preValidation: async (request) => {
      if (cookie.isSent(request) && !hasRefreshToken(request.body)) refuseCrossSite(request)
    },
    async handler(request, reply) {
      const { refresh_token: sent, scope = 'session' } = request.body ?? {}
      const self = await identify(edge, request, { sent, isLive: scope !== 'session' })
      if (self === null && scope !== 'session') throw new Problem('token_invalid')
      if (self !== null) await end(deps, self, scope, callerOf(request))
      if (sent === undefined && scope !== 'others' && cookie.isSent(request)) cookie.clear(reply)
      return reply.code(204).send()
    },
  })
}

type Scope = 'session' | 'others' | 'all'

async function end(deps: Deps, { userId, sessionId }: Self, scope: Scope, caller: Caller): Promise<void> {
  if (scope === 'session') await endSession(deps, { userId, sessionId, reason: 'logged_out', isVouched: true }, caller)
  else await endSessions(deps, { userId, keep: scope === 'others' ? sessionId : null }, caller)
}

/** What the client presents: a token in the body, else what the request carries; and whether it must be alive. */
interface Presented {
  readonly sent: string | undefined
  readonly isLive: boolean
}

/** Whose session the presented token is of; null if it means nothing. Refuses where there is none. */
async function identify(edge: CookieEdge, request: FastifyRequest, { sent, isLive }: Presented): Promise<Self | null> {
  if (sent !== undefined) return byRefreshToken(edge.deps, sent, 'body', isLive)
  const inCookie = edge.cookie.read(request)
  if (inCookie !== undefined) return byRefreshToken(edge.deps, inCookie, 'cookie', isLive)
  return byAccessToken(edge, request, isLive)
}

async function byRefreshToken(deps: Deps, token: string, transport: Transport, isLive: boolean): Promise<Self | null> {
  const claim = unsealRefreshToken(deps.authKeys, token)
  if (claim?.transport !== transport) return null
  if (!isLive) return (await readSession(deps, claim)) && claim
  const reason = await whyRefused(deps, claim)
  if (reason !== null) throw new Problem('session_over', { reason })
  return claim
}

/** A revoked access token means nothing any more: a thief's cannot end the session that replaced it. */
async function byAccessToken({ deps, bearer }: Edge, request: FastifyRequest, isLive: boolean): Promise<Self | null> {
  const token = await bearer.identify(request).catch(forgiveInvalid)
  if (token === null) return null
  if (isLive && isOutOfTime(deps, token)) throw new Problem('token_expired')
  const isDead = await isRevoked(deps, token)
  if (isDead && isLive) throw new Problem('token_revoked')
  return isDead ? null : { userId: token.claims.sub, sessionId: token.claims.sid }
}

function forgiveInvalid(error: unknown): null {
  if (error instanceof Problem && error.code === 'token_invalid') return null
  throw error
}

function isJson({ headers }: FastifyRequest): boolean {
  return headers['content-type']?.toLowerCase().startsWith('application/json') ?? false
}

function hasRefreshToken(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'refresh_token' in body
}
