import type * as z from 'zod'
import { type ActiveToken, introspect } from '../../../auth/clients/introspect.ts'
import type { Deps } from '../../../deps.ts'
import type { OauthEdge } from '../../edge.ts'
import type { App } from '../../typed-app.ts'
import type { AuthenticatedClient } from '../../../auth/clients/authenticate.ts'
import { Introspection, IntrospectionForm, oauthRefusals } from './schemas.ts'

const schema = {
  operationId: 'introspect',
  tags: ['OAuth'],
  summary: 'Is this token active, and what does it say?',
  description:
    'RFC 7662, for clients of the operator. Whatever keeps a token from being active, the answer is the same; a token whose audience is none ' +
    'of the client’s is not active for it. A refresh token is active if a refresh would take it. What cannot be known is 503.',
  body: IntrospectionForm,
  security: [{ clientSecret: [] }],
  response: {
    200: Introspection.meta({ description: 'What the token says, or that it is not active.' }),
    ...oauthRefusals('`invalid_request`'),
  },
}

/** POST /oauth/introspect */
export function introspectRoute(app: App, { deps, clients, bearer }: OauthEdge): void {
  app.route({
    method: 'POST',
    url: '/oauth/introspect',
    schema,
    onRequest: clients.requireClient,
    async handler({ body, client }) {
      const { client: asking } = client as AuthenticatedClient
      const active = await introspect(deps, bearer.verifier, asking, body.token)
      return active === null ? { active: false } : answerOf(deps, active)
    },
  })
}

function answerOf({ config }: Deps, active: ActiveToken): z.input<typeof Introspection> {
  if (active.kind === 'access') return { active: true, token_type: 'Bearer', ...(active.claims as object) }
  const { userId: sub, sessionId: sid } = active.claim
  const issuer = { iss: config.ISSUER, aud: config.AUDIENCE, client_id: config.CLIENT_ID }
  return { active: true, token_type: 'refresh_token', ...issuer, sub, sid }
}
