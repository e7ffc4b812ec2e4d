import { readUser } from '../../../auth/accounts/users.ts'
import { endSessions } from '../../../auth/sessions/end.ts'
import { readLiveSessions } from '../../../auth/sessions/read.ts'
import type { Deps } from '../../../deps.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { sessionAnswer } from '../answers.ts'
import { problems } from '../problem-schemas.ts'
import { NoContent, Sessions } from '../schemas.ts'
import { KEY_PROBLEMS } from './problems.ts'
import { UserParams } from './schemas.ts'

const common = { tags: ['Users'], params: UserParams, security: [{ adminKey: [] }] }

const listSchema = {
  ...common,
  operationId: 'listUserSessions',
  summary: 'List the devices that are logged in to an account',
  description: 'The live sessions of the user, oldest first; `current` is false of all.',
  response: {
    200: Sessions.meta({ description: 'The sessions.' }),
    ...problems(...KEY_PROBLEMS, 'not_found', 'store_unavailable'),
  },
}

const endSchema = {
  ...common,
  operationId: 'endUserSessions',
  summary: 'Log a user out everywhere',
  description: 'All sessions end, and all tokens are refused at once. The user may log in again.',
  response: {
    204: NoContent,
    ...problems(...KEY_PROBLEMS, 'not_found', 'busy', 'store_unavailable'),
  },
}

/** GET and DELETE /admin/v1/users/{id}/sessions */
export function userSessionRoutes(app: App, deps: Deps): void {
  app.route({
    method: 'GET',
    url: '/admin/v1/users/:id/sessions',
    schema: listSchema,
    async handler(request) {
      const user = await readUser(deps, request.params.id)
      if (user === null) throw new Problem('not_found')
      const sessions = await readLiveSessions(deps, user)
      return { sessions: sessions.map((session) => sessionAnswer(session, false, deps.moment())) }
    },
  })

  app.route({
    method: 'DELETE',
    url: '/admin/v1/users/:id/sessions',
    schema: endSchema,
    async handler(request, reply) {
      const all = { userId: request.params.id, keep: null, reason: 'revoked' } as const
      if (!(await endSessions(deps, all, callerOf(request)))) throw new Problem('not_found')
      return reply.code(204).send()
    },
  })
}
