import { PUBLISHED_MS } from '../../../domain/signing-keys.ts'
import type { Edge } from '../../edge.ts'
import { openToAnyPage } from '../../plugins/cors.ts'
import type { App } from '../../typed-app.ts'
import { problems } from '../problem-schemas.ts'
import { Jwks } from '../schemas.ts'

const schema = {
  operationId: 'readJwks',
  tags: ['Tokens'],
  summary: 'The public keys that verify access tokens',
  description:
    'RFC 7517. The next key is published long before it signs, and each stays until its last token has expired.',
  response: {
    200: Jwks.meta({ description: 'Public members only.', headers: ['Cache-Control'] }),
    ...problems('store_unavailable'),
  },
}

const MAX_AGE_S = PUBLISHED_MS / 1000

/** GET /.well-known/jwks.json */
export function jwksRoute(app: App, { deps }: Edge): void {
  const maxAge = Math.min(MAX_AGE_S, Math.floor(deps.config.KEY_ROTATION / 2000))
  app.route({
    method: 'GET',
    ...openToAnyPage(app, '/.well-known/jwks.json'),
    schema,
    async handler(_request, reply) {
      void reply.header('cache-control', `public, max-age=${maxAge}`)
      return { keys: [...deps.keyring.jwks()] }
    },
  })
}
