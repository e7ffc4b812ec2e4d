import { removeTotp } from '../../../auth/factors/remove.ts'
import { beginTotp, confirmTotp } from '../../../auth/factors/totp.ts'
import { issueTokens } from '../../../auth/tokens/issue.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { MAIL_PROOF_REFUSALS, tokensAnswer } from '../answers.ts'
import { problems } from '../problem-schemas.ts'
import { NoContent } from '../schemas.ts'
import { ConfirmationBody, EnrolmentTokens, FRESH_PROBLEMS, route, TotpSecret } from './schemas.ts'

const beginSchema = {
  ...route,
  operationId: 'beginTotp',
  summary: 'Enrol an authenticator app, first step',
  description:
    'A secret for the app: the same one until it is confirmed, or an hour has passed. Nothing is asked for at a login yet.',
  response: { 200: TotpSecret.meta({ description: 'The secret.' }), ...problems(...FRESH_PROBLEMS) },
}

const confirmSchema = {
  ...route,
  operationId: 'confirmTotp',
  summary: 'Enrol an authenticator app, second step',
  description:
    'From now on a login asks for a code. This session goes on, its tokens stay good; every other session ends. If the answer is lost, ' +
    'send the same code again within 15 minutes: the recovery codes are the same.',
  body: ConfirmationBody,
  response: {
    200: EnrolmentTokens.meta({ description: 'Enrolled. Keep the recovery codes.', headers: ['Set-Cookie'] }),
    ...problems(...FRESH_PROBLEMS, 'code_invalid'),
  },
}

const removeSchema = {
  ...route,
  operationId: 'removeTotp',
  summary: 'Remove the authenticator app',
  description: 'With the last factor the recovery codes go, too.',
  response: { 204: NoContent, ...problems(...FRESH_PROBLEMS, 'last_factor') },
}

/** POST /v1/factors/totp, POST /v1/factors/totp/confirm and DELETE /v1/factors/totp */
export function totpRoutes(app: App, { deps, bearer, limitPerAddress, cookie }: CookieEdge): void {
  const onRequest = [limitPerAddress('api'), bearer.requireAnyLevel]

  app.route({
    method: 'POST',
    url: '/v1/factors/totp',
    schema: beginSchema,
    onRequest,
    async handler(request) {
      const begun = await beginTotp(deps, request.token.claims)
      if (begun === null) throw new Problem('token_revoked')
      return begun
    },
  })

  app.route({
    method: 'POST',
    url: '/v1/factors/totp/confirm',
    schema: confirmSchema,
    onRequest,
    async handler(request, reply) {
      const result = await confirmTotp(deps, request.token.claims, request.body.code, callerOf(request))
      if (result.kind !== 'ok') throw new Problem(MAIL_PROOF_REFUSALS[result.kind])
      return { ...tokensAnswer(reply, cookie, issueTokens(deps, result)), recovery_codes: [...result.codes] }
    },
  })

  app.route({
    method: 'DELETE',
    url: '/v1/factors/totp',
    schema: removeSchema,
    onRequest,
    async handler(request, reply) {
      const removed = await removeTotp(deps, request.token.claims, callerOf(request))
      if (removed === 'over') throw new Problem('token_revoked')
      if (removed === 'last') throw new Problem('last_factor')
      return reply.code(204).send()
    },
  })
}
