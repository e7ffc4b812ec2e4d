import type { FastifyRequest } from 'fastify'
import { logOut } from '../../../auth/sessions/logout.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { ANY_LEVEL_PROBLEMS, BODY_PROBLEMS, problems } from '../problem-schemas.ts'
import { LogoutBody, NoContent } from '../schemas.ts'
import { isCookieDead, readPresented } from './presented-tokens.ts'

const schema = {
  operationId: 'logout',
  tags: ['Sessions'],
  summary: 'Log out',
  description:
    'Looks at a refresh token in the body, then at the access token (an expired one will do for this session), and at the cookie if neither is ours; ' +
    'ends the session of the first that is ours and not over. Once it is answered, no instance accepts the tokens again. Idempotent: where all ' +
    'of ours are over it is 204, too. Where nothing is ours it is 401: nothing was ended.',
  body: LogoutBody,
  security: [{ bearer: [] }, { cookie: [] }, {}],
  response: {
    204: NoContent.meta({ description: 'Logged out.', headers: ['Set-Cookie'] }),
    ...problems(
      ...ANY_LEVEL_PROBLEMS,
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
  const { deps, limitPerAddress, cookie, refuseCrossSite } = edge
  app.route({
    method: 'POST',
    url: '/v1/logout',
    schema,
    onRequest: [
      limitPerAddress('api'),
      async (request) => {
        // A body that is no JSON, like a form of another site, brings no token: the request relies on the cookie.
        if (!isJson(request) && reliesOnCookie(edge, request)) refuseCrossSite(request)
      },
    ],
    preValidation: async (request) => {
      if (reliesOnCookie(edge, request) && !hasRefreshToken(request.body)) refuseCrossSite(request)
    },
    async handler(request, reply) {
      const { refresh_token: sent, scope = 'session' } = request.body ?? {}
      const presented = await readPresented(edge, request, sent)
      const fault = await logOut(deps, presented, scope, callerOf(request))
      if (await isCookieDead(edge, request)) cookie.clear(reply)
      if (fault === null) return reply.code(204).send()
      throw new Problem(fault.code, 'reason' in fault ? { reason: fault.reason } : {})
    },
  })
}

function isJson({ headers }: FastifyRequest): boolean {
  return headers['content-type']?.toLowerCase().startsWith('application/json') ?? false
}

/** Whether the request brings the cookie and no access token. */
function reliesOnCookie({ cookie }: CookieEdge, request: FastifyRequest): boolean {
  return cookie.isSent(request) && request.headers.authorization === undefined
}

function hasRefreshToken(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'refresh_token' in body
}
