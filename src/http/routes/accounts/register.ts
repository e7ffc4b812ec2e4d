import { register } from '../../../auth/accounts/register.ts'
import { logOut } from '../../../auth/sessions/logout.ts'
import { issueTokens } from '../../../auth/tokens/issue.ts'
import type { CookieEdge } from '../../edge.ts'
import { guardWish } from '../../plugins/cross-site.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { demandEmail, tokensAnswer } from '../answers.ts'
import { BODY_PROBLEMS, problems } from '../problem-schemas.ts'
import { CredentialsBody, Tokens } from '../schemas.ts'
import { readCookie } from '../sessions/presented-tokens.ts'

const schema = {
  operationId: 'register',
  tags: ['Accounts'],
  summary: 'Make an account and log in',
  description:
    'The password is judged by NIST SP 800-63B-4: its length in code points, not one of the commonest, not your address. ' +
    'If the answer is lost, log in.',
  body: CredentialsBody,
  response: {
    201: Tokens.meta({ description: 'The account, logged in.', headers: ['Set-Cookie'] }),
    ...problems(
      ...BODY_PROBLEMS,
      'cross_site',
      'email_taken',
      'password_unacceptable',
      'too_many_requests',
      'busy',
      'store_unavailable',
    ),
  },
}

/** POST /v1/register */
export function registerRoute(app: App, edge: CookieEdge): void {
  const { deps, limitPerAddress, cookie, refuseCrossSite } = edge
  app.route({
    method: 'POST',
    url: '/v1/register',
    schema,
    onRequest: limitPerAddress('register'),
    preValidation: guardWish(refuseCrossSite),
    async handler(request, reply) {
      const email = demandEmail('email', request.body.email)
      const { password, transport, remember } = request.body
      const replaced = transport === 'cookie' ? readCookie(edge, request) : null
      const result = await register(deps, { email, password }, { transport, remember }, callerOf(request))
      if (result.kind === 'taken') throw new Problem('email_taken')
      if (result.kind === 'unacceptable') throw new Problem('password_unacceptable', { errors: result.rules })
      if (replaced !== null) await logOut(deps, [replaced], 'session', callerOf(request))
      void reply.code(201)
      return tokensAnswer(reply, cookie, issueTokens(deps, result), result.user)
    },
  })
}
