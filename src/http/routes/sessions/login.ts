import { authenticate } from '../../../auth/credentials/authenticate.ts'
import { askForSecondFactor } from '../../../auth/credentials/second-step.ts'
import { logOut } from '../../../auth/sessions/logout.ts'
import { issueTokens } from '../../../auth/tokens/issue.ts'
import type { CookieEdge } from '../../edge.ts'
import { guardWish } from '../../plugins/cross-site.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { secondFactorRequired, tokensAnswer } from '../answers.ts'
import { BODY_PROBLEMS, problems } from '../problem-schemas.ts'
import { CredentialsBody, Tokens } from '../schemas.ts'
import { readCookie } from './presented-tokens.ts'

const schema = {
  operationId: 'login',
  tags: ['Accounts'],
  summary: 'Log in',
  description:
    'Opens a session; for somebody with a second factor it is the first step, and the second is POST /v1/login/second-factor. The oldest of too many sessions gives way, and so does that of the cookie which the new one replaces.',
  body: CredentialsBody,
  response: {
    200: Tokens.meta({ description: 'A new session.', headers: ['Set-Cookie'] }),
    ...problems(
      ...BODY_PROBLEMS,
      'bad_credentials',
      'second_factor_required',
      'account_disabled',
      'cross_site',
      'too_many_requests',
      'busy',
      'store_unavailable',
    ),
  },
}

const REFUSALS = { wrong: 'bad_credentials', disabled: 'account_disabled' } as const

/** POST /v1/login */
export function loginRoute(app: App, edge: CookieEdge): void {
  const { deps, limitPerAddress, cookie, refuseCrossSite } = edge
  app.route({
    method: 'POST',
    url: '/v1/login',
    schema,
    onRequest: limitPerAddress('login'),
    preValidation: guardWish(refuseCrossSite),
    async handler(request, reply) {
      const { email, password, transport, remember } = request.body
      const replaced = transport === 'cookie' ? readCookie(edge, request) : null
      const wish = { transport, remember, replaces: replaced?.claim.sessionId }
      const result = await authenticate(deps, { email, password }, wish, callerOf(request))
      if (result.kind === 'half') throw secondFactorRequired(await askForSecondFactor(deps, result.user, wish))
      if (result.kind !== 'ok') throw new Problem(REFUSALS[result.kind])
      if (replaced !== null) await logOut(deps, [replaced], 'session', callerOf(request))
      return tokensAnswer(reply, cookie, issueTokens(deps, result), result.user)
    },
  })
}
