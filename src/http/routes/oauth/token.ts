import type { FastifyRequest } from 'fastify'
import type * as z from 'zod'
import { issueMachineToken } from '../../../auth/clients/issue.ts'
import { refuseForeign, refresh } from '../../../auth/sessions/refresh.ts'
import { issueTokens } from '../../../auth/tokens/issue.ts'
import { readRefreshToken } from '../../../auth/tokens/presented.ts'
import type { Deps } from '../../../deps.ts'
import type { OauthEdge } from '../../edge.ts'
import { OauthError } from '../../plugins/oauth-errors.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { oauthRefusals, OauthTokens, TokenForm } from './schemas.ts'

const schema = {
  operationId: 'token',
  tags: ['OAuth'],
  summary: 'Get a token as a client of its own, or by a refresh token',
  description:
    'RFC 6749. `client_credentials`: a client of the operator gets an access token for itself, of no session and without a refresh token. ' +
    '`refresh_token`: as `/v1/refresh`, by the same rules, for OAuth clients; no client credentials. What is in the query does not count.',
  body: TokenForm,
  security: [{ clientSecret: [] }, {}],
  response: {
    200: OauthTokens.meta({ description: 'The token.' }),
    ...oauthRefusals(
      '`invalid_request`, `unsupported_grant_type`; `invalid_scope`, `invalid_target`: more than the client may have; `invalid_grant`: the ' +
        'refresh token is not ours, or its session is over.',
    ),
  },
}

type Form = z.output<typeof TokenForm>
type Answer = z.input<typeof OauthTokens>

/** POST /oauth/token */
export function tokenRoute(app: App, { deps, clients }: OauthEdge): void {
  app.route({
    method: 'POST',
    url: '/oauth/token',
    schema,
    onRequest: clients.clientOrLimit('refresh'),
    async handler(request) {
      const { grant_type: grant } = request.body
      if (grant === 'client_credentials') return tokenOfClient(deps, request, request.body)
      if (grant === 'refresh_token') return nextTokens(deps, request, request.body)
      throw new OauthError('unsupported_grant_type')
    },
  })
}

/** RFC 6749 section 4.4. */
function tokenOfClient(deps: Deps, request: FastifyRequest, { scope, resource = [], client_id: said }: Form): Answer {
  const { client } = request
  if (client === null) throw new OauthError('invalid_client')
  if (said !== undefined && said !== client.client.id) throw new OauthError('invalid_request', 'client_id is another.')
  const result = issueMachineToken(deps, client, { scope, resources: resource }, callerOf(request))
  if (result.kind !== 'issued') throw new OauthError(result.kind)
  return {
    access_token: result.accessToken,
    token_type: 'Bearer',
    expires_in: result.expiresIn,
    ...(result.scope === '' ? {} : { scope: result.scope }),
  }
}

/** RFC 6749 section 6. */
async function nextTokens(deps: Deps, request: FastifyRequest, form: Form): Promise<Answer> {
  demandOwn(deps, request, form)
  const presented = readRefreshToken(deps, form.refresh_token as string, 'body')
  if (presented === null) {
    refuseForeign(deps, callerOf(request))
    throw new OauthError('invalid_grant', 'The refresh token is not one of ours.')
  }
  const result = await refresh(deps, presented.claim, callerOf(request))
  if (result.kind !== 'ok')
    throw new OauthError(
      'invalid_grant',
      `session_over: ${result.kind === 'over' ? result.reason : 'password_changed'}`,
    )
  const { accessToken, expiresIn, refreshToken } = issueTokens(deps, result)
  return { access_token: accessToken, token_type: 'Bearer', expires_in: expiresIn, refresh_token: refreshToken }
}

/** Throws OauthError unless the form asks, as the public client of the service, for no more than a person's token is. */
function demandOwn({ config }: Deps, { client }: FastifyRequest, form: Form): void {
  if (client !== null) throw new OauthError('invalid_grant', 'No refresh token is of this client.')
  if (form.client_id !== undefined && form.client_id !== config.CLIENT_ID) throw new OauthError('invalid_client')
  if (form.refresh_token === undefined) throw new OauthError('invalid_request', 'refresh_token is missing')
  if (form.scope !== undefined) throw new OauthError('invalid_scope')
  if (form.resource?.some((each) => each !== config.AUDIENCE)) throw new OauthError('invalid_target')
}
