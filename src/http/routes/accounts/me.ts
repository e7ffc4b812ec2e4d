import { removeAccount } from '../../../auth/accounts/remove.ts'
import { readUser } from '../../../auth/accounts/users.ts'
import { sessionOf } from '../../../domain/access-token.ts'
import type { CookieEdge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { OWN_PASSWORD_REFUSALS, userAnswer } from '../answers.ts'
import { ANY_LEVEL_PROBLEMS, OWN_PASSWORD_PROBLEMS, problems } from '../problem-schemas.ts'
import { NoContent, RemovalBody, User } from '../schemas.ts'

const readSchema = {
  operationId: 'readMe',
  tags: ['Accounts'],
  summary: 'Who am I',
  description: 'The account of the access token.',
  security: [{ bearer: [] }],
  response: {
    200: User.meta({ description: 'You.' }),
    ...problems(...ANY_LEVEL_PROBLEMS, 'too_many_requests', 'store_unavailable'),
  },
}

const removeSchema = {
  operationId: 'removeMe',
  tags: ['Accounts'],
  summary: 'Remove the account',
  description: 'The account, its sessions and its data are gone, its tokens are refused.',
  body: RemovalBody,
  security: [{ bearer: [] }],
  response: {
    204: NoContent.meta({ description: 'Gone.', headers: ['Set-Cookie'] }),
    ...problems(...OWN_PASSWORD_PROBLEMS),
  },
}

/** GET and DELETE /v1/me */
export function meRoutes(app: App, edge: CookieEdge): void {
  const { deps, bearer, limitPerAddress, cookie } = edge
  app.route({
    method: 'GET',
    url: '/v1/me',
    schema: readSchema,
    onRequest: [limitPerAddress('api'), bearer.requireAnyLevel],
    async handler(request) {
      const user = await readUser(deps, request.token.claims.sub)
      if (user === null) throw new Problem('token_revoked')
      return userAnswer(user)
    },
  })

  app.route({
    method: 'DELETE',
    url: '/v1/me',
    schema: removeSchema,
    onRequest: [limitPerAddress('login'), bearer.requireAnyLevel],
    async handler(request, reply) {
      const { claims } = request.token
      const asker = { self: sessionOf(claims), claims }
      const result = await removeAccount(deps, asker, request.body.password, callerOf(request))
      if (result.kind !== 'ok') throw new Problem(OWN_PASSWORD_REFUSALS[result.kind])
      if (result.transport === 'cookie') cookie.clear(reply)
      return reply.code(204).send()
    },
  })
}
