import type * as z from 'zod'
import { readUser } from '../../../auth/accounts/users.ts'
import type { Passkey } from '../../../domain/factors.ts'
import type { User } from '../../../domain/user.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import type { App } from '../../typed-app.ts'
import { ANY_LEVEL_PROBLEMS, problems } from '../problem-schemas.ts'
import { FactorList, type PasskeyItem, route } from './schemas.ts'

const schema = {
  ...route,
  operationId: 'listFactors',
  summary: 'List your second factors',
  description: 'None of their secrets.',
  response: {
    200: FactorList.meta({ description: 'What is enrolled.' }),
    ...problems(...ANY_LEVEL_PROBLEMS, 'too_many_requests', 'store_unavailable'),
  },
}

/** GET /v1/factors */
export function factorsRoute(app: App, { deps, bearer, limitPerAddress }: CookieEdge): void {
  app.route({
    method: 'GET',
    url: '/v1/factors',
    schema,
    onRequest: [limitPerAddress('api'), bearer.requireAnyLevel],
    async handler(request) {
      const user = await readUser(deps, request.token.claims.sub)
      if (user === null) throw new Problem('token_revoked')
      return factorsAnswer(user)
    },
  })
}

function factorsAnswer({ factors }: User): z.input<typeof FactorList> {
  return {
    totp: factors?.totp !== undefined,
    recovery_codes_left: factors?.recoveryCodes.left.length ?? 0,
    passkeys: (factors?.passkeys ?? []).map(passkeyAnswer),
  }
}

/** The JSON of a passkey. */
export function passkeyAnswer({ id, name, createdAt, lastUsedAt, isBackedUp }: Passkey): z.input<typeof PasskeyItem> {
  return {
    id,
    name,
    created_at: new Date(createdAt).toISOString(),
    last_used_at: lastUsedAt === undefined ? null : new Date(lastUsedAt).toISOString(),
    backed_up: isBackedUp,
  }
}
