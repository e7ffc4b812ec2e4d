import { readUser } from '../../../auth/accounts/users.ts'
import { endSession } from '../../../auth/sessions/end.ts'
import { readLiveSessions } from '../../../auth/sessions/read.ts'
import { isId } from '../../../domain/id.ts'
import type { Edge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { sessionAnswer } from '../answers.ts'
import { BODY_PROBLEMS, TOKEN_PROBLEMS, problems } from '../problem-schemas.ts'
import { NoContent, SessionParams, Sessions } from '../schemas.ts'

const listSchema = {
  operationId: 'listSessions',
  tags: ['Sessions'],
  summary: 'List the devices that are logged in',
  description: 'The live sessions of the user, oldest first.',
  security: [{ bearer: [] }],
  response: {
    200: Sessions.meta({ description: 'Your sessions.' }),
    ...problems(...TOKEN_PROBLEMS, 'too_many_requests', 'store_unavailable'),
  },
}

const endSchema = {
  operationId: 'endSession',
  tags: ['Sessions'],
  summary: 'Log a device out',
  description: "Its tokens are refused from now on. Another user's, an ended or an unknown session is not found.",
  params: SessionParams,
  security: [{ bearer: [] }],
  response: {
    204: NoContent.meta({ description: 'Logged out there.' }),
    ...problems(...TOKEN_PROBLEMS, ...BODY_PROBLEMS, 'not_found', 'too_many_requests', 'busy', 'store_unavailable'),
  },
}

/** GET /v1/sessions and DELETE /v1/sessions/{id} */
export function sessionRoutes(app: App, { deps, bearer, limitPerAddress }: Edge): void {
  const onRequest = [limitPerAddress('api'), bearer.requireToken]
  app.route({
    method: 'GET',
    url: '/v1/sessions',
    schema: listSchema,
    onRequest,
    async handler(request) {
      const { sub, sid } = request.token.claims
      const user = await readUser(deps, sub)
      if (user === null) throw new Problem('token_revoked')
      const sessions = await readLiveSessions(deps, user)
      return { sessions: sessions.map((session) => sessionAnswer(session, session.id === sid, deps.moment())) }
    },
  })

  app.route({
    method: 'DELETE',
    url: '/v1/sessions/:id',
    schema: endSchema,
    onRequest,
    async handler(request, reply) {
      const target = {
        userId: request.token.claims.sub,
        sessionId: request.params.id,
        reason: 'revoked',
        isVouched: false,
      } as const
      if (!isId(target.sessionId) || !(await endSession(deps, target, callerOf(request))))
        throw new Problem('not_found')
      return reply.code(204).send()
    },
  })
}
