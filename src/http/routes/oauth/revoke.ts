import * as z from 'zod'
import { revoke } from '../../../auth/clients/revoke.ts'
import type { OauthEdge } from '../../edge.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { oauthRefusals, RevocationForm } from './schemas.ts'

const schema = {
  operationId: 'revoke',
  tags: ['OAuth'],
  summary: 'Revoke a token',
  description:
    'RFC 7009. An access token dies alone, a refresh token takes its session. Whoever holds a token may end it: client credentials are not ' +
    'needed, but if they are sent they must be right. What is no token of ours is 200, too: there is nothing to revoke.',
  body: RevocationForm,
  security: [{ clientSecret: [] }, {}],
  response: {
    200: z.undefined().meta({ description: 'No instance accepts it any more.' }),
    ...oauthRefusals('`invalid_request`'),
  },
}

/** POST /oauth/revoke */
export function revokeRoute(app: App, { deps, clients, bearer }: OauthEdge): void {
  app.route({
    method: 'POST',
    url: '/oauth/revoke',
    schema,
    onRequest: clients.clientOrLimit('api'),
    async handler(request, reply) {
      await revoke(deps, bearer.verifier, request.body.token, callerOf(request))
      return reply.code(200).send()
    },
  })
}
