import { askForPasskey, logInByPasskey } from '../../../auth/credentials/passkey-login.ts'
import { logOut } from '../../../auth/sessions/logout.ts'
import { issueTokens } from '../../../auth/tokens/issue.ts'
import type { CookieEdge } from '../../edge.ts'
import { guardWish } from '../../plugins/cross-site.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { PROOF_REFUSALS, tokensAnswer } from '../answers.ts'
import { assertionOf } from '../credentials/shown-factor.ts'
import { BODY_PROBLEMS, problems } from '../problem-schemas.ts'
import { PasskeyLoginBody, PasskeyOptions } from '../factor-schemas.ts'
import { Tokens } from '../schemas.ts'
import { readCookie } from './presented-tokens.ts'

const optionsSchema = {
  operationId: 'passkeyLoginOptions',
  tags: ['Second factors'],
  summary: 'Ask for a passkey to log in',
  description:
    'Give `public_key` to `navigator.credentials.get`, and send its answer and the challenge to POST /v1/login/passkey. ' +
    'Nothing is stored, and nobody is named.',
  response: {
    200: PasskeyOptions.meta({ description: 'What a passkey signs.' }),
    ...problems(...BODY_PROBLEMS, 'too_many_requests', 'store_unavailable'),
  },
}

const schema = {
  operationId: 'loginWithPasskey',
  tags: ['Second factors'],
  summary: 'Log in with a passkey',
  description:
    'A passkey says whose it is and proves two factors at once: there is no password and no second step. If the answer is lost, send the ' +
    'same again.',
  body: PasskeyLoginBody,
  response: {
    200: Tokens.meta({ description: 'A new session.', headers: ['Set-Cookie'] }),
    ...problems(
      ...BODY_PROBLEMS,
      'code_invalid',
      'bad_credentials',
      'account_disabled',
      'cross_site',
      'too_many_requests',
      'busy',
      'store_unavailable',
    ),
  },
}

/** POST /v1/login/passkey and POST /v1/login/passkey/options */
export function passkeyLoginRoutes(app: App, edge: CookieEdge): void {
  const { deps, limitPerAddress, cookie, refuseCrossSite } = edge
  app.route({
    method: 'POST',
    url: '/v1/login/passkey/options',
    schema: optionsSchema,
    onRequest: limitPerAddress('api'),
    async handler() {
      const { challenge, publicKey } = await askForPasskey(deps)
      return { challenge, public_key: publicKey }
    },
  })

  app.route({
    method: 'POST',
    url: '/v1/login/passkey',
    schema,
    onRequest: limitPerAddress('login'),
    preValidation: guardWish(refuseCrossSite),
    async handler(request, reply) {
      const { challenge, response, transport, remember } = request.body
      const replaced = transport === 'cookie' ? readCookie(edge, request) : null
      const wish = { transport, remember, replaces: replaced?.claim.sessionId }
      const shown = { challenge, response: assertionOf(response) }
      const result = await logInByPasskey(deps, shown, wish, callerOf(request))
      if (result.kind !== 'ok') throw new Problem(PROOF_REFUSALS[result.kind])
      if (replaced !== null && replaced.claim.sessionId !== result.session.id)
        await logOut(deps, [replaced], 'session', callerOf(request))
      return tokensAnswer(reply, cookie, issueTokens(deps, result), result.user)
    },
  })
}
