import { changePassword } from '../../../auth/credentials/change-password.ts'
import { issueTokens } from '../../../auth/tokens/issue.ts'
import { sessionOf } from '../../../domain/access-token.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { OWN_PASSWORD_REFUSALS, tokensAnswer } from '../answers.ts'
import { OWN_PASSWORD_PROBLEMS, problems } from '../problem-schemas.ts'
import { PasswordBody, Tokens } from '../schemas.ts'

const schema = {
  operationId: 'changePassword',
  tags: ['Accounts'],
  summary: 'Change the password',
  description:
    'This session goes on with new tokens; every other session ends, and every access token issued until now is refused. ' +
    'If the answer is lost, refresh.',
  body: PasswordBody,
  security: [{ bearer: [] }],
  response: {
    200: Tokens.meta({ description: 'The password is changed.', headers: ['Set-Cookie'] }),
    ...problems(...OWN_PASSWORD_PROBLEMS, 'password_unacceptable'),
  },
}

/** POST /v1/password */
export function passwordRoute(app: App, edge: CookieEdge): void {
  const { deps, bearer, limitPerAddress, cookie } = edge
  app.route({
    method: 'POST',
    url: '/v1/password',
    schema,
    onRequest: [limitPerAddress('login'), bearer.requireToken],
    async handler(request, reply) {
      const passwords = { current: request.body.current_password, next: request.body.new_password }
      const { claims } = request.token
      const asker = { self: sessionOf(claims), claims }
      const result = await changePassword(deps, asker, passwords, callerOf(request))
      if (result.kind === 'unacceptable') throw new Problem('password_unacceptable', { errors: result.rules })
      if (result.kind !== 'ok') throw new Problem(OWN_PASSWORD_REFUSALS[result.kind])
      return tokensAnswer(reply, cookie, issueTokens(deps, result))
    },
  })
}
