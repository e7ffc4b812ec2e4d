import { askForVerification, verifyEmail } from '../../../auth/accounts/verify-email.ts'
import { issueTokens } from '../../../auth/tokens/issue.ts'
import { sessionOf } from '../../../domain/access-token.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { MAIL_PROOF_REFUSALS, tokensAnswer } from '../answers.ts'
import { CALLER_PROBLEMS, problems } from '../problem-schemas.ts'
import { Accepted, MailProofBody, NoContent, Tokens, VerificationBody } from '../schemas.ts'

const route = { tags: ['Accounts'], security: [{ bearer: [] }] }

const askSchema = {
  ...route,
  operationId: 'askForVerification',
  summary: 'Ask for a mail to verify the address',
  description: 'Whoever asks again gets the same link and code in another mail, until they are used or have expired.',
  body: VerificationBody,
  response: {
    202: Accepted,
    204: NoContent.meta({ description: 'The address is verified already.' }),
    ...problems(...CALLER_PROBLEMS),
  },
}

const verifySchema = {
  ...route,
  operationId: 'verifyEmail',
  summary: 'Verify the address with what the mail holds',
  description: 'The account is the one of the access token: whoever clicks the mail of somebody else verifies nothing.',
  body: MailProofBody,
  response: {
    200: Tokens.meta({ description: 'Verified: the new token says so.', headers: ['Set-Cookie'] }),
    ...problems(...CALLER_PROBLEMS, 'code_invalid'),
  },
}

/** POST /v1/email/verification and POST /v1/email/verify */
export function verificationRoutes(app: App, { deps, bearer, limitPerAddress, cookie }: CookieEdge): void {
  const onRequest = [limitPerAddress('api'), bearer.requireToken]
  const method = 'POST'

  app.route({
    method,
    url: '/v1/email/verification',
    schema: askSchema,
    onRequest,
    async handler(request, reply) {
      const self = sessionOf(request.token.claims)
      const asked = await askForVerification(deps, self, request.body?.locale ?? null, callerOf(request))
      if (asked === 'over') throw new Problem('token_revoked')
      return reply.code(asked === 'verified' ? 204 : 202).send()
    },
  })

  app.route({
    method,
    url: '/v1/email/verify',
    schema: verifySchema,
    onRequest,
    async handler(request, reply) {
      const self = sessionOf(request.token.claims)
      const result = await verifyEmail(deps, self, request.body, callerOf(request))
      if (result.kind !== 'ok') throw new Problem(MAIL_PROOF_REFUSALS[result.kind])
      return tokensAnswer(reply, cookie, issueTokens(deps, result))
    },
  })
}
