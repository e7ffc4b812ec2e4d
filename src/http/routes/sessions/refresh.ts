import type { FastifyRequest } from 'fastify'
import { refresh, refuseForeign } from '../../../auth/sessions/refresh.ts'
import { issueTokens } from '../../../auth/tokens/issue.ts'
import { readRefreshToken } from '../../../auth/tokens/presented.ts'
import type { RefreshClaim } from '../../../domain/refresh-token.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { tokensAnswer } from '../answers.ts'
import { problems } from '../problem-schemas.ts'
import { RefreshBody, Tokens } from '../schemas.ts'

const refusals = problems(
  'bad_request',
  'no_token',
  'token_invalid',
  'session_over',
  'cross_site',
  'too_large',
  'unsupported_media_type',
  'too_many_requests',
  'busy',
  'store_unavailable',
)

const schema = {
  operationId: 'refresh',
  tags: ['Sessions'],
  summary: 'Trade a refresh token for the next one and a fresh access token',
  description:
    'Send the refresh token in the body, or the cookie and no body. If the answer is lost send the same token again: you get the same ' +
    'successor. Tabs may refresh at once. A spent token shown after the grace period ends the session.',
  body: RefreshBody,
  security: [{ cookie: [] }, {}],
  response: {
    200: Tokens.meta({ description: 'The session goes on.', headers: ['Set-Cookie'] }),
    ...refusals,
    401: refusals[401]?.meta({ headers: ['Set-Cookie'] }),
  },
}

/** POST /v1/refresh */
export function refreshRoute(app: App, edge: CookieEdge): void {
  const { deps, limitPerAddress, cookie, refuseCrossSite } = edge
  app.route({
    method: 'POST',
    url: '/v1/refresh',
    schema,
    onRequest: [
      limitPerAddress('refresh'),
      async (request) => {
        if (cookie.isSent(request)) refuseCrossSite(request)
      },
    ],
    async handler(request, reply) {
      const claim = readClaim(edge, request, request.body?.refresh_token)
      const result = claim && (await refresh(deps, claim, callerOf(request)))
      if (result?.kind === 'ok') return tokensAnswer(reply, cookie, issueTokens(deps, result))
      // The session lives, and the cookie may have its newer token by now: it is not cleared.
      if (result?.kind === 'superseded') throw new Problem('session_over', { reason: 'password_changed' })
      if (cookie.isSent(request)) cookie.clear(reply)
      if (result !== null) throw new Problem('session_over', { reason: result.reason })
      refuseForeign(deps, callerOf(request))
      throw new Problem('token_invalid')
    },
  })
}

/**
 * Reads the refresh token of the body or the cookie; null: it is not ours, or its transport is the other. Throws Problem if
 * there is none, or one in both.
 */
function readClaim({ deps, cookie }: CookieEdge, request: FastifyRequest, sent?: string): RefreshClaim | null {
  const inCookie = cookie.read(request)
  if (sent !== undefined && inCookie !== undefined) {
    throw new Problem('bad_request', { detail: 'There is a refresh token in the body and one in the cookie.' })
  }
  const token = sent ?? inCookie
  if (token === undefined) throw new Problem('no_token')
  return readRefreshToken(deps, token, sent === undefined ? 'cookie' : 'body')?.claim ?? null
}
