import { finishLogin, readLoginChallenge } from '../../../auth/credentials/second-step.ts'
import { logOut } from '../../../auth/sessions/logout.ts'
import { issueTokens } from '../../../auth/tokens/issue.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { PROOF_REFUSALS, tokensAnswer } from '../answers.ts'
import { factorShown } from '../credentials/shown-factor.ts'
import { BODY_PROBLEMS, problems } from '../problem-schemas.ts'
import { SecondStepBody } from '../factor-schemas.ts'
import { Tokens } from '../schemas.ts'
import { readCookie } from './presented-tokens.ts'

const schema = {
  operationId: 'loginWithSecondFactor',
  tags: ['Second factors'],
  summary: 'Log in, second step',
  description:
    'The challenge of the first step, and a code or a passkey. If the answer is lost, send the same again: it is the same session, while ' +
    'none of its tokens has been used. A challenge lives ten minutes, and dies with a change of the password, a logout of all sessions, and ' +
    'when the operator disables the account: then log in from the start.',
  body: SecondStepBody,
  response: {
    200: Tokens.meta({ description: 'A new session.', headers: ['Set-Cookie'] }),
    ...problems(
      ...BODY_PROBLEMS,
      'code_invalid',
      'bad_credentials',
      'cross_site',
      'too_many_requests',
      'busy',
      'store_unavailable',
    ),
  },
}

/** POST /v1/login/second-factor */
export function secondFactorRoute(app: App, edge: CookieEdge): void {
  const { deps, limitPerAddress, cookie, refuseCrossSite } = edge
  app.route({
    method: 'POST',
    url: '/v1/login/second-factor',
    schema,
    onRequest: limitPerAddress('login'),
    async handler(request, reply) {
      const { challenge: text, ...shown } = request.body
      const challenge = readLoginChallenge(deps, text)
      if (challenge?.transport === 'cookie') refuseCrossSite(request)
      if (challenge === null) throw new Problem('code_invalid')
      const replaced = challenge.transport === 'cookie' ? readCookie(edge, request) : null
      const credential = factorShown(deps, shown, { text, id: challenge.id }, callerOf(request))
      const result = await finishLogin(deps, challenge, credential, replaced?.claim.sessionId, callerOf(request))
      if (result.kind !== 'ok') throw new Problem(PROOF_REFUSALS[result.kind])
      if (replaced !== null && replaced.claim.sessionId !== result.session.id)
        await logOut(deps, [replaced], 'session', callerOf(request))
      return tokensAnswer(reply, cookie, issueTokens(deps, result), result.user)
    },
  })
}
