import * as z from 'zod'
import type { VerifiedToken } from '../../../auth/tokens/signed-tokens.ts'
import { isRole, MAX_ROLES, meets } from '../../../domain/roles.ts'
import type { Edge } from '../../edge.ts'
import type { VerifyOutcome } from '../../../metrics/meters.ts'
import { problemOf } from '../../plugins/errors.ts'
import { Problem, type ProblemCode } from '../../problems.ts'
import type { App } from '../../typed-app.ts'
import { TOKEN_PROBLEMS, problems } from '../problem-schemas.ts'
import { NoContent } from '../schemas.ts'

const role = z.string().refine(isRole, 'must be the name of a role')

/** What a gateway may demand beyond a live token. */
const Query = z.object({
  role: z
    .union([role, z.array(role).max(MAX_ROLES)])
    .optional()
    .meta({ description: 'A role that the person must have; repeated: all of them.', examples: ['editor'] }),
  acr: z.enum(['aal1', 'aal2']).optional().meta({ description: 'The least level of assurance.' }),
  max_age: z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number of seconds')
    .transform(Number)
    .optional()
    .meta({ description: 'For how many seconds at most the person may have proved who they are.', examples: ['300'] }),
})

const schema = {
  operationId: 'verify',
  tags: ['Tokens'],
  summary: 'Is this access token alive?',
  description:
    'For gateways: nginx, Caddy, Envoy and others. Every method is answered as GET is, and so is every path below this one, since some ' +
    'of them keep the method and the path of the request that they ask about; no body is read. An OPTIONS without a token is 401, too: ' +
    'it is no preflight, whose 204 a gateway would take for a yes. Each `X-Auth-` header is in each 204, empty where there is nothing ' +
    'to say. Never limited, never sets a cookie. A live token that does not meet what is demanded is 403.',
  security: [{ bearer: [] }],
  querystring: Query,
  response: {
    204: NoContent.meta({
      description: 'Alive.',
      headers: ['X-Auth-Subject', 'X-Auth-Session', 'X-Auth-Roles', 'X-Auth-Acr', 'X-Auth-Time'],
    }),
    ...problems(...TOKEN_PROBLEMS, 'bad_request', 'store_unavailable'),
  },
}

/** What a refusal says of the token. */
const OUTCOMES: Partial<Record<ProblemCode, VerifyOutcome>> = {
  no_token: 'missing',
  token_invalid: 'invalid',
  token_expired: 'expired',
  token_revoked: 'revoked',
  insufficient: 'insufficient',
  step_up_required: 'insufficient',
  bad_request: 'malformed',
}

/** GET /v1/verify, and what plugins/asked-by-gateways.ts makes of other methods and of the paths below */
export function verifyRoute(app: App, { bearer, deps }: Edge): void {
  app.route({
    method: 'GET',
    url: '/v1/verify',
    schema,
    onRequest: bearer.requireAnyToken,
    onError(_request, _reply, error, done) {
      deps.meters.verifications.add(OUTCOMES[problemOf(error).code] ?? 'unknown')
      done()
    },
    handler(request, reply) {
      const token = request.bearer
      const said = token.kind === 'person' ? token.claims : {}
      const { role: named = [], acr, max_age: maxAge } = request.query
      if (!meets(said, { roles: [named].flat(), acr, maxAge }, deps.clock())) throw new Problem('insufficient')
      deps.meters.verifications.add('alive')
      void reply.code(204).headers(headersOf(token)).send()
    },
  })
}

/** What is told of the token of a client that acts for itself: every header, so that none can be forged. */
const OF_NO_PERSON = { 'x-auth-session': '', 'x-auth-roles': '', 'x-auth-acr': '', 'x-auth-time': '' }

/** What the token says of its bearer; empty where it says nothing. */
function headersOf({ kind, claims }: VerifiedToken) {
  if (kind === 'machine') return { 'x-auth-subject': claims.sub, ...OF_NO_PERSON }
  const { sub, sid, roles = [], acr, auth_time } = claims
  return {
    'x-auth-subject': sub,
    'x-auth-session': sid,
    'x-auth-roles': roles.join(','),
    'x-auth-acr': acr,
    'x-auth-time': auth_time,
  }
}
