import type { Edge } from '../../edge.ts'
import type { App } from '../../typed-app.ts'
import { TOKEN_PROBLEMS, problems } from '../problem-schemas.ts'
import { NoContent } from '../schemas.ts'

const schema = {
  operationId: 'verify',
  tags: ['Tokens'],
  summary: 'Is this access token alive?',
  description: 'For gateways (nginx auth_request). Never limited, never sets a cookie.',
  security: [{ bearer: [] }],
  response: {
    204: NoContent.meta({ description: 'Alive.', headers: ['X-Auth-Subject', 'X-Auth-Session'] }),
    ...problems(...TOKEN_PROBLEMS, 'store_unavailable'),
  },
}

/** GET /v1/verify */
export function verifyRoute(app: App, { bearer }: Edge): void {
  app.route({
    method: 'GET',
    url: '/v1/verify',
    schema,
    onRequest: bearer.requireToken,
    handler(request, reply) {
      const { sub, sid } = request.token.claims
      void reply.code(204).header('x-auth-subject', sub).header('x-auth-session', sid).send()
    },
  })
}
