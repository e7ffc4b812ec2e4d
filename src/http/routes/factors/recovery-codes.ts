import { renewRecoveryCodes } from '../../../auth/factors/recovery-codes.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { problems } from '../problem-schemas.ts'
import { FRESH_PROBLEMS, RecoveryCodes, RenewalBody, route } from './schemas.ts'

const schema = {
  ...route,
  operationId: 'renewRecoveryCodes',
  summary: 'Get new recovery codes',
  description:
    'Those of before are dead. If the answer is lost, send the same `request_id` again: the codes are the same while none is used.',
  body: RenewalBody,
  response: {
    200: RecoveryCodes.meta({ description: 'Ten new codes.' }),
    ...problems(...FRESH_PROBLEMS, 'code_invalid', 'not_found'),
  },
}

const REFUSALS = { over: 'token_revoked', none: 'not_found', spent: 'code_invalid' } as const

/** POST /v1/factors/recovery-codes */
export function recoveryCodesRoute(app: App, { deps, bearer, limitPerAddress }: CookieEdge): void {
  app.route({
    method: 'POST',
    url: '/v1/factors/recovery-codes',
    schema,
    onRequest: [limitPerAddress('api'), bearer.requireAnyLevel],
    async handler(request) {
      const { claims } = request.token
      const result = await renewRecoveryCodes(deps, claims, request.body.request_id, callerOf(request))
      if (result.kind !== 'ok') throw new Problem(REFUSALS[result.kind])
      return { recovery_codes: [...result.codes] }
    },
  })
}
