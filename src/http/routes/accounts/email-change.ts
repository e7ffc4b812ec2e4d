import { askForChange, changeEmail } from '../../../auth/accounts/change-email.ts'
import { issueTokens } from '../../../auth/tokens/issue.ts'
import { sessionOf } from '../../../domain/access-token.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { demandEmail, MAIL_PROOF_REFUSALS, tokensAnswer } from '../answers.ts'
import { CALLER_PROBLEMS, problems } from '../problem-schemas.ts'
import { Accepted, EmailChangeBody, MailProofBody, Tokens } from '../schemas.ts'

const route = { tags: ['Accounts'], security: [{ bearer: [] }] }

const changeSchema = {
  ...route,
  operationId: 'askForEmailChange',
  summary: 'Ask for a mail to change the address',
  description: 'Mail goes to the new address, a notice to the old one. The answer is the same if the new one is taken.',
  body: EmailChangeBody,
  response: { 202: Accepted, ...problems(...CALLER_PROBLEMS, 'step_up_required') },
}

const confirmSchema = {
  ...route,
  operationId: 'changeEmail',
  summary: 'Change the address with what the mail holds',
  description: 'This session goes on, every other session ends.',
  body: MailProofBody,
  response: {
    200: Tokens.meta({ description: 'The address is changed.', headers: ['Set-Cookie'] }),
    ...problems(...CALLER_PROBLEMS, 'code_invalid', 'email_taken'),
  },
}

/** POST /v1/email/change and POST /v1/email/change/confirm */
export function emailChangeRoutes(app: App, { deps, bearer, limitPerAddress, cookie }: CookieEdge): void {
  const onRequest = [limitPerAddress('api'), bearer.requireToken]
  const method = 'POST'

  app.route({
    method,
    url: '/v1/email/change',
    schema: changeSchema,
    onRequest,
    async handler(request, reply) {
      const email = demandEmail('new_email', request.body.new_email)
      const { claims } = request.token
      const asker = { self: sessionOf(claims), claims }
      const asked = await askForChange(deps, asker, { email, locale: request.body.locale ?? null }, callerOf(request))
      if (!asked) throw new Problem('token_revoked')
      return reply.code(202).send()
    },
  })

  app.route({
    method,
    url: '/v1/email/change/confirm',
    schema: confirmSchema,
    onRequest,
    async handler(request, reply) {
      const self = sessionOf(request.token.claims)
      const result = await changeEmail(deps, self, request.body, callerOf(request))
      if (result.kind !== 'ok') throw new Problem(MAIL_PROOF_REFUSALS[result.kind])
      return tokensAnswer(reply, cookie, issueTokens(deps, result))
    },
  })
}
