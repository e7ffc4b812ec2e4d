import { disable, enable } from '../../../auth/accounts/disable.ts'
import { setApp, setRoles } from '../../../auth/accounts/user-claims.ts'
import type { Deps } from '../../../deps.ts'
import { isTooLarge } from '../../../domain/roles.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { BODY_PROBLEMS, problems } from '../problem-schemas.ts'
import { NoContent } from '../schemas.ts'
import { KEY_PROBLEMS } from './problems.ts'
import { App as AppBody, DisabledBody, RolesBody, UserParams } from './schemas.ts'
import { optionalBody } from '../fields.ts'

const common = {
  tags: ['Users'],
  params: UserParams,
  security: [{ adminKey: [] }],
  response: {
    204: NoContent,
    ...problems(...KEY_PROBLEMS, ...BODY_PROBLEMS, 'not_found', 'busy', 'store_unavailable'),
  },
}

const rolesSchema = {
  ...common,
  operationId: 'setRoles',
  summary: 'Give a user these roles and no others',
  description:
    'At once, on every instance: older tokens are refused, nobody is logged out, and each client refreshes once.',
  body: RolesBody,
}

const appSchema = {
  ...common,
  operationId: 'setApp',
  summary: 'Replace what services are told about a user',
  description: 'At once, as with roles.',
  body: AppBody,
}

const disableSchema = {
  ...common,
  operationId: 'disableUser',
  summary: 'Let nobody in to an account',
  description: 'Its sessions end, its tokens are refused at once, and neither a password nor a mail opens it.',
  body: optionalBody(DisabledBody),
}

const enableSchema = {
  ...common,
  operationId: 'enableUser',
  summary: 'Let the owner in again',
  description: 'The owner logs in anew.',
}

/** PUT /admin/v1/users/{id}/roles and /app; PUT and DELETE /admin/v1/users/{id}/disabled */
export function accessRoutes(app: App, deps: Deps): void {
  app.route({
    method: 'PUT',
    url: '/admin/v1/users/:id/roles',
    schema: rolesSchema,
    async handler(request, reply) {
      demandFound(await setRoles(deps, request.params.id, request.body.roles, callerOf(request)))
      return reply.code(204).send()
    },
  })

  app.route({
    method: 'PUT',
    url: '/admin/v1/users/:id/app',
    schema: appSchema,
    async handler(request, reply) {
      if (isTooLarge(request.body)) throw new Problem('too_large')
      demandFound(await setApp(deps, request.params.id, request.body, callerOf(request)))
      return reply.code(204).send()
    },
  })

  app.route({
    method: 'PUT',
    url: '/admin/v1/users/:id/disabled',
    schema: disableSchema,
    async handler(request, reply) {
      demandFound(await disable(deps, request.params.id, request.body?.reason ?? null, callerOf(request)))
      return reply.code(204).send()
    },
  })

  app.route({
    method: 'DELETE',
    url: '/admin/v1/users/:id/disabled',
    schema: enableSchema,
    async handler(request, reply) {
      demandFound(await enable(deps, request.params.id, callerOf(request)))
      return reply.code(204).send()
    },
  })
}

function demandFound(isFound: boolean): void {
  if (!isFound) throw new Problem('not_found')
}
