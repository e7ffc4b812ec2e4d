import { stepUp } from '../../../auth/credentials/step-up.ts'
import { issueTokens } from '../../../auth/tokens/issue.ts'
import { sessionOf } from '../../../domain/access-token.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { OWN_PASSWORD_REFUSALS, tokensAnswer } from '../answers.ts'
import { OWN_PASSWORD_PROBLEMS, problems } from '../problem-schemas.ts'
import { StepUpBody, Tokens } from '../schemas.ts'

const schema = {
  operationId: 'stepUp',
  tags: ['Accounts'],
  summary: 'Prove again who you are',
  description: 'What wants a fresh session says 403 `step_up_required`: do this, then ask again with the new token.',
  body: StepUpBody,
  security: [{ bearer: [] }],
  response: {
    200: Tokens.meta({ description: 'The same session, its `auth_time` now.', headers: ['Set-Cookie'] }),
    ...problems(...OWN_PASSWORD_PROBLEMS),
  },
}

/** POST /v1/step-up */
export function stepUpRoute(app: App, edge: CookieEdge): void {
  const { deps, bearer, limitPerAddress, cookie } = edge
  app.route({
    method: 'POST',
    url: '/v1/step-up',
    schema,
    onRequest: [limitPerAddress('login'), bearer.requireToken],
    async handler(request, reply) {
      const result = await stepUp(deps, sessionOf(request.token.claims), request.body.password, callerOf(request))
      if (result.kind !== 'ok') throw new Problem(OWN_PASSWORD_REFUSALS[result.kind])
      return tokensAnswer(reply, cookie, issueTokens(deps, result))
    },
  })
}
