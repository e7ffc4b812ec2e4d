import type * as z from 'zod'
import { addPasskey, askForNewPasskey } from '../../../auth/factors/passkeys.ts'
import { removePasskey } from '../../../auth/factors/remove.ts'
import { renamePasskey } from '../../../auth/factors/rename-passkey.ts'
import type { RegistrationResponseJSON } from '../../../auth/credentials/webauthn.ts'
import { issueTokens } from '../../../auth/tokens/issue.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { tokensAnswer } from '../answers.ts'
import type { Attestation } from '../fields.ts'
import { ANY_LEVEL_PROBLEMS, BODY_PROBLEMS, problems } from '../problem-schemas.ts'
import { NoContent } from '../schemas.ts'
import { passkeyAnswer } from './list.ts'
import {
  EnrolmentTokens,
  FRESH_PROBLEMS,
  NewPasskey,
  PasskeyBody,
  PasskeyItem,
  PasskeyParams,
  RenamingBody,
  route,
} from './schemas.ts'

const optionsSchema = {
  ...route,
  operationId: 'newPasskeyOptions',
  summary: 'Make a passkey, first step',
  description: 'Give `public_key` to `navigator.credentials.create`, and send its answer to POST /v1/factors/passkeys.',
  response: { 200: NewPasskey.meta({ description: 'What to make.' }), ...problems(...FRESH_PROBLEMS) },
}

const added = EnrolmentTokens.meta({
  description: 'Added. With `recovery_codes` if it is the first factor: keep them.',
  headers: ['Set-Cookie'],
})

const addSchema = {
  ...route,
  operationId: 'addPasskey',
  summary: 'Make a passkey, second step',
  description:
    'If it is the first second factor, every other session ends, and from now on a login asks for one. If the answer is lost, send the ' +
    'same again. You may have twenty.',
  body: PasskeyBody,
  response: {
    200: added.meta({ description: 'You had it already.', headers: ['Set-Cookie'] }),
    201: added,
    ...problems(...FRESH_PROBLEMS, 'code_invalid'),
  },
}

const renameSchema = {
  ...route,
  operationId: 'renamePasskey',
  summary: 'Name a passkey',
  description: 'The name is for its owner alone.',
  params: PasskeyParams,
  body: RenamingBody,
  response: {
    200: PasskeyItem.meta({ description: 'The passkey.' }),
    ...problems(...ANY_LEVEL_PROBLEMS, ...BODY_PROBLEMS, 'not_found', 'too_many_requests', 'busy', 'store_unavailable'),
  },
}

const removeSchema = {
  ...route,
  operationId: 'removePasskey',
  summary: 'Remove a passkey',
  description: 'With the last factor the recovery codes go, too.',
  params: PasskeyParams,
  response: { 204: NoContent, ...problems(...FRESH_PROBLEMS, 'not_found', 'last_factor') },
}

const REMOVAL_REFUSALS = { over: 'token_revoked', absent: 'not_found', last: 'last_factor' } as const

/** POST /v1/factors/passkeys/options and POST /v1/factors/passkeys */
export function passkeyRoutes(app: App, { deps, bearer, limitPerAddress, cookie }: CookieEdge): void {
  const onRequest = [limitPerAddress('api'), bearer.requireAnyLevel]

  app.route({
    method: 'POST',
    url: '/v1/factors/passkeys/options',
    schema: optionsSchema,
    onRequest,
    async handler(request) {
      const asked = await askForNewPasskey(deps, request.token.claims)
      if (asked.kind !== 'ok') throw refusalOf(asked.kind)
      return { public_key: asked.publicKey }
    },
  })

  app.route({
    method: 'POST',
    url: '/v1/factors/passkeys',
    schema: addSchema,
    onRequest,
    async handler(request, reply) {
      const { response, name } = request.body
      const made = { response: attestationOf(response), name }
      const result = await addPasskey(deps, request.token.claims, made, callerOf(request))
      if (result.kind !== 'added' && result.kind !== 'known') throw refusalOf(result.kind)
      const codes = result.codes === null ? {} : { recovery_codes: [...result.codes] }
      return reply
        .code(result.kind === 'added' ? 201 : 200)
        .send({ ...tokensAnswer(reply, cookie, issueTokens(deps, result)), ...codes })
    },
  })
}

/** PATCH and DELETE /v1/factors/passkeys/{id} */
export function passkeyRoute(app: App, { deps, bearer, limitPerAddress }: CookieEdge): void {
  const onRequest = [limitPerAddress('api'), bearer.requireAnyLevel]
  const url = '/v1/factors/passkeys/:id'

  app.route({
    method: 'PATCH',
    url,
    schema: renameSchema,
    onRequest,
    async handler(request) {
      const renamed = await renamePasskey(deps, request.token.claims.sub, { ...request.params, ...request.body })
      if (renamed === null) throw new Problem('not_found')
      return passkeyAnswer(renamed)
    },
  })

  app.route({
    method: 'DELETE',
    url,
    schema: removeSchema,
    onRequest,
    async handler(request, reply) {
      const removed = await removePasskey(deps, request.token.claims, request.params.id, callerOf(request))
      if (removed !== 'removed') throw new Problem(REMOVAL_REFUSALS[removed])
      return reply.code(204).send()
    },
  })
}

const REFUSALS = { over: 'token_revoked', invalid: 'code_invalid', full: 'bad_request' } as const

function refusalOf(kind: keyof typeof REFUSALS): Problem {
  return new Problem(REFUSALS[kind], kind === 'full' ? { detail: 'There are twenty passkeys: remove one before.' } : {})
}

/** The form that the library takes. */
function attestationOf({ response, ...sent }: z.output<typeof Attestation>): RegistrationResponseJSON {
  return { ...sent, clientExtensionResults: {}, response: response as RegistrationResponseJSON['response'] }
}
