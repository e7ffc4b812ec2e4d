import type * as z from 'zod'
import { findUser } from '../../../auth/accounts/email-claims.ts'
import { removeUser } from '../../../auth/accounts/remove.ts'
import { listUsers, readUser } from '../../../auth/accounts/users.ts'
import type { Deps } from '../../../deps.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { demandEmail } from '../answers.ts'
import { problems } from '../problem-schemas.ts'
import { NoContent } from '../schemas.ts'
import { KEY_PROBLEMS } from './problems.ts'
import { AdminUser, AdminUsers, UserParams, UserQuery } from './schemas.ts'
import { userAnswers } from './user-answers.ts'

const SECURITY = [{ adminKey: [] }]

const findSchema = {
  operationId: 'findUsers',
  tags: ['Users'],
  summary: 'Find the user of an address, or list all',
  description:
    'With `email` by the exact address; else a page of a walk, which meets every user that is there throughout at least once.',
  querystring: UserQuery,
  security: SECURITY,
  response: {
    200: AdminUsers.meta({ description: 'Who has it.' }),
    ...problems(...KEY_PROBLEMS, 'bad_request', 'store_unavailable'),
  },
}

const readSchema = {
  operationId: 'readUser',
  tags: ['Users'],
  summary: 'Read a user',
  description: 'What the service knows of an account, without any secret.',
  params: UserParams,
  security: SECURITY,
  response: {
    200: AdminUser.meta({ description: 'The user.' }),
    ...problems(...KEY_PROBLEMS, 'not_found', 'store_unavailable'),
  },
}

const removeSchema = {
  operationId: 'removeUser',
  tags: ['Users'],
  summary: 'Remove an account',
  description: 'The account, its sessions and its data are gone, its tokens are refused.',
  params: UserParams,
  security: SECURITY,
  response: {
    204: NoContent.meta({ description: 'Gone.' }),
    ...problems(...KEY_PROBLEMS, 'not_found', 'busy', 'store_unavailable'),
  },
}

/** GET /admin/v1/users, GET and DELETE /admin/v1/users/{id} */
export function userRoutes(app: App, deps: Deps): void {
  app.route({
    method: 'GET',
    url: '/admin/v1/users',
    schema: findSchema,
    async handler({ query: { email, limit, cursor } }) {
      if (email !== undefined) {
        const found = await findUser(deps, demandEmail('email', email))
        return { users: await userAnswers(deps, found === null ? [] : [found.value]) }
      }
      const { users, next } = await listUsers(deps, cursor ?? null, limit)
      return { users: await userAnswers(deps, users), ...(next === null ? {} : { next }) }
    },
  })

  app.route({
    method: 'GET',
    url: '/admin/v1/users/:id',
    schema: readSchema,
    async handler({ params: { id } }) {
      const user = await readUser(deps, id)
      if (user === null) throw new Problem('not_found')
      const [answer] = await userAnswers(deps, [user])
      return answer as z.output<typeof AdminUser>
    },
  })

  app.route({
    method: 'DELETE',
    url: '/admin/v1/users/:id',
    schema: removeSchema,
    async handler(request, reply) {
      if (!(await removeUser(deps, request.params.id, callerOf(request)))) throw new Problem('not_found')
      return reply.code(204).send()
    },
  })
}
