import * as z from 'zod'
import { OAUTH_ERRORS } from '../../plugins/oauth-errors.ts'
import { RefreshToken, Seconds } from '../fields.ts'

// The shapes of the routes of OAuth.

/** The content type of every body. */
const asForm = <Body extends z.ZodType>(body: Body) => body.meta({ contentType: 'application/x-www-form-urlencoded' })

const AnyToken = z.string().max(8192)
const Scope = z.string().max(4096)

export const TokenForm = asForm(
  z
    .object({
      grant_type: z.string().meta({ description: 'One of two.', examples: ['client_credentials', 'refresh_token'] }),
      scope: Scope.optional().meta({
        description:
          'Of client_credentials: what the token should say, parted by spaces. Absent: all that the client may have.',
        examples: ['orders:read orders:write'],
      }),
      resource: z
        .array(z.string().max(1024))
        .optional()
        .meta({
          description:
            'RFC 8707: whom the token is for, of the audiences of the client; may be repeated. Absent: all of them.',
          examples: [['https://api.example.org']],
        }),
      refresh_token: RefreshToken.optional().meta({ description: 'Of refresh_token: one that travels in the JSON.' }),
      client_id: z
        .string()
        .max(1024)
        .optional()
        .meta({ description: 'Who asks, if it is said: with refresh_token the CLIENT_ID of the service.' }),
    })
    .meta({ id: 'TokenForm' }),
)

export const IntrospectionForm = asForm(
  z
    .object({
      token: AnyToken.meta({ description: 'An access token, or a refresh token that travels in the JSON.' }),
      token_type_hint: z.string().optional().meta({ description: 'Ignored: a token says itself what it is.' }),
    })
    .meta({ id: 'IntrospectionForm' }),
)

export const RevocationForm = asForm(
  z
    .object({
      token: AnyToken.meta({ description: 'An access token or a refresh token.' }),
      token_type_hint: z.string().optional().meta({ description: 'Ignored: a token says itself what it is.' }),
    })
    .meta({ id: 'RevocationForm' }),
)

export const OauthTokens = z
  .object({
    access_token: z.string().meta({ description: 'A JWT, RFC 9068.', examples: ['eyJhbGciOi…'] }),
    token_type: z.literal('Bearer'),
    expires_in: Seconds.meta({ description: 'Seconds the access token lives.', examples: [295] }),
    scope: z
      .string()
      .optional()
      .meta({ description: 'What the token says; absent: nothing in particular.', examples: ['orders:read'] }),
    refresh_token: z
      .string()
      .optional()
      .meta({ description: 'With refresh_token: the next one.', examples: ['AV2k9f0A…'] }),
  })
  .meta({ id: 'OauthTokens' })

const Epoch = z.int().min(0).max(10_000_000_000)

export const Introspection = z
  .object({
    active: z.boolean(),
    token_type: z.enum(['Bearer', 'refresh_token']).optional(),
    iss: z.string().optional(),
    aud: z
      .union([z.string(), z.array(z.string())])
      .optional()
      .meta({ description: 'One audience, or several.' }),
    sub: z
      .string()
      .optional()
      .meta({ description: 'The user; of a token of a client that acts for itself, the client.' }),
    client_id: z.string().optional(),
    iat: Epoch.optional(),
    exp: Epoch.optional(),
    jti: z.string().optional(),
    scope: z.string().optional(),
    sid: z.string().optional().meta({ description: 'The session; absent: the token is of no person.' }),
    auth_time: Epoch.optional(),
    amr: z.array(z.string()).optional(),
    acr: z.string().optional(),
    email_verified: z.literal(true).optional(),
    roles: z.array(z.string()).optional(),
    app: z.record(z.string(), z.any()).optional(),
  })
  .meta({
    id: 'Introspection',
    description: 'RFC 7662: the claims of the token, or `{"active": false}` and nothing else.',
  })

export const Metadata = z
  .object({
    issuer: z.string(),
    token_endpoint: z.string(),
    token_endpoint_auth_methods_supported: z.array(z.string()),
    introspection_endpoint: z.string(),
    introspection_endpoint_auth_methods_supported: z.array(z.string()),
    revocation_endpoint: z.string(),
    revocation_endpoint_auth_methods_supported: z.array(z.string()),
    jwks_uri: z.string(),
    grant_types_supported: z.array(z.string()),
    response_types_supported: z.array(z.string()).meta({ description: 'None: there is no authorization endpoint.' }),
  })
  .meta({ id: 'Metadata' })

const ErrorDocument = z
  .object({
    error: z.enum(OAUTH_ERRORS),
    error_description: z.string().optional().meta({ description: 'For people: what is wrong this time.' }),
  })
  .meta({ id: 'OauthError', description: 'RFC 6749 section 5.2: why the request was refused.' })

const refusal = (description: string, ...headers: string[]) => ErrorDocument.clone().meta({ description, headers })

/** What every route of OAuth may answer; `malformed` says what is 400. */
export const oauthRefusals = (malformed: string) => ({
  400: refusal(malformed),
  401: refusal('`invalid_client`: wrong credentials of a client, or none where they are needed.', 'WWW-Authenticate'),
  413: refusal('`invalid_request`: more than the service takes.'),
  429: refusal('`temporarily_unavailable`: too many requests, or too many wrong secrets.', 'Retry-After'),
  500: refusal('`server_error`: nothing was changed that was not answered.'),
  503: refusal('`temporarily_unavailable`: the service cannot know right now.', 'Retry-After'),
})
