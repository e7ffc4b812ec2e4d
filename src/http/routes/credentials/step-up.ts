import { passwordBehindToken } from '../../../auth/credentials/password.ts'
import { askForStepUp, readStepUpChallenge, stepUp } from '../../../auth/credentials/step-up.ts'
import { issueTokens } from '../../../auth/tokens/issue.ts'
import { sessionOf } from '../../../domain/access-token.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { OWN_PASSWORD_REFUSALS, tokensAnswer } from '../answers.ts'
import { ANY_LEVEL_PROBLEMS, BODY_PROBLEMS, OWN_PASSWORD_PROBLEMS, problems } from '../problem-schemas.ts'
import { PasskeyOptions, StepUpBody } from '../factor-schemas.ts'
import { Tokens } from '../schemas.ts'
import { factorShown } from './shown-factor.ts'

const route = { tags: ['Second factors'], security: [{ bearer: [] }] }

const schema = {
  ...route,
  operationId: 'stepUp',
  summary: 'Prove again who you are',
  description:
    'What wants a fresh session says 403 `step_up_required`: do this, then ask again with the new token. Whoever has a second factor proves ' +
    'that one; the password alone is not enough then. If the answer is lost, send the same again.',
  body: StepUpBody,
  response: {
    200: Tokens.meta({ description: 'The same session, its `auth_time` now.', headers: ['Set-Cookie'] }),
    ...problems(...OWN_PASSWORD_PROBLEMS, 'code_invalid'),
  },
}

const optionsSchema = {
  ...route,
  operationId: 'stepUpOptions',
  summary: 'Ask for a passkey to prove again who you are',
  description:
    'Give `public_key` to `navigator.credentials.get`, and send its answer and the challenge to POST /v1/step-up.',
  response: {
    200: PasskeyOptions.meta({ description: 'What a passkey signs.' }),
    ...problems(...ANY_LEVEL_PROBLEMS, ...BODY_PROBLEMS, 'too_many_requests', 'store_unavailable'),
  },
}

/** POST /v1/step-up and POST /v1/step-up/options */
export function stepUpRoutes(app: App, edge: CookieEdge): void {
  const { deps, bearer, limitPerAddress, cookie } = edge
  app.route({
    method: 'POST',
    url: '/v1/step-up',
    schema,
    onRequest: [limitPerAddress('login'), bearer.requireAnyLevel],
    async handler(request, reply) {
      const [self, caller, { body }] = [sessionOf(request.token.claims), callerOf(request), request]
      const given = 'challenge' in body ? readStepUpChallenge(deps, self, body.challenge) : { id: '', text: '' }
      if (given === null) throw new Problem('code_invalid')
      const credential =
        'password' in body
          ? passwordBehindToken(deps, self, body.password, caller)
          : factorShown(deps, body, given, caller)
      const result = await stepUp(deps, self, credential, caller)
      if (result.kind !== 'ok') throw new Problem(OWN_PASSWORD_REFUSALS[result.kind])
      return tokensAnswer(reply, cookie, issueTokens(deps, result))
    },
  })

  app.route({
    method: 'POST',
    url: '/v1/step-up/options',
    schema: optionsSchema,
    onRequest: [limitPerAddress('api'), bearer.requireAnyLevel],
    async handler(request) {
      const { challenge, publicKey } = await askForStepUp(deps, sessionOf(request.token.claims))
      return { challenge, public_key: publicKey }
    },
  })
}
