import { askForReset, resetPassword } from '../../../auth/credentials/reset-password.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { demandEmail } from '../answers.ts'
import { BODY_PROBLEMS, problems } from '../problem-schemas.ts'
import { Accepted, ForgotBody, NoContent, ResetBody } from '../schemas.ts'

const forgotSchema = {
  operationId: 'forgotPassword',
  tags: ['Accounts'],
  summary: 'Ask for a mail to set another password',
  description: 'The answer is the same, and takes as long, whether or not the address has an account.',
  body: ForgotBody,
  response: { 202: Accepted, ...problems(...BODY_PROBLEMS, 'too_many_requests', 'busy', 'store_unavailable') },
}

const resetSchema = {
  operationId: 'resetPassword',
  tags: ['Accounts'],
  summary: 'Set another password with what the mail holds',
  description:
    'Every session ends, and none opens: log in with the new password. The address counts as verified. ' +
    'If the answer is lost, send the same again within 15 minutes.',
  body: ResetBody,
  response: {
    204: NoContent,
    ...problems(
      ...BODY_PROBLEMS,
      'code_invalid',
      'password_unacceptable',
      'too_many_requests',
      'busy',
      'store_unavailable',
    ),
  },
}

/** POST /v1/password/forgot and POST /v1/password/reset */
export function resetRoutes(app: App, { deps, limitPerAddress }: CookieEdge): void {
  app.route({
    method: 'POST',
    url: '/v1/password/forgot',
    schema: forgotSchema,
    onRequest: limitPerAddress('api'),
    async handler(request, reply) {
      const email = demandEmail('email', request.body.email)
      await askForReset(deps, email, request.body.locale ?? null, callerOf(request))
      return reply.code(202).send()
    },
  })

  app.route({
    method: 'POST',
    url: '/v1/password/reset',
    schema: resetSchema,
    onRequest: limitPerAddress('login'),
    async handler(request, reply) {
      const { new_password: password, ...proof } = request.body
      const result = await resetPassword(deps, proof, password, callerOf(request))
      if (result.kind === 'invalid') throw new Problem('code_invalid')
      if (result.kind === 'unacceptable') throw new Problem('password_unacceptable', { errors: result.rules })
      return reply.code(204).send()
    },
  })
}
