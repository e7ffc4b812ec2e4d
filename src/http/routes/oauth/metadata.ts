import type { Edge } from '../../edge.ts'
import { openToAnyPage } from '../../plugins/cors.ts'
import type { App } from '../../typed-app.ts'
import { problems } from '../problem-schemas.ts'
import { Metadata } from './schemas.ts'

const schema = {
  operationId: 'readMetadata',
  tags: ['OAuth'],
  summary: 'What OAuth clients need to know of the service',
  description: 'RFC 8414. Any page may read it.',
  response: { 200: Metadata.meta({ description: 'The metadata.', headers: ['Cache-Control'] }), ...problems() },
}

/** GET /.well-known/oauth-authorization-server */
export function metadataRoute(app: App, { deps: { config } }: Edge): void {
  const { ISSUER } = config
  const metadata = {
    issuer: ISSUER,
    token_endpoint: `${ISSUER}/oauth/token`,
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'none'],
    introspection_endpoint: `${ISSUER}/oauth/introspect`,
    introspection_endpoint_auth_methods_supported: ['client_secret_basic'],
    revocation_endpoint: `${ISSUER}/oauth/revoke`,
    revocation_endpoint_auth_methods_supported: ['client_secret_basic', 'none'],
    jwks_uri: `${ISSUER}/.well-known/jwks.json`,
    grant_types_supported: ['client_credentials', 'refresh_token'],
    response_types_supported: [],
  }
  app.route({
    method: 'GET',
    ...openToAnyPage(app, '/.well-known/oauth-authorization-server'),
    schema,
    async handler(_request, reply) {
      void reply.header('cache-control', 'public, max-age=300')
      return metadata
    },
  })
}
