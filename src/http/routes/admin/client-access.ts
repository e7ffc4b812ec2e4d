import { disableClient, enableClient } from '../../../auth/clients/disable.ts'
import type { Deps } from '../../../deps.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { optionalBody } from '../fields.ts'
import { BODY_PROBLEMS, problems } from '../problem-schemas.ts'
import { NoContent } from '../schemas.ts'
import { ClientParams } from './client-schemas.ts'
import { KEY_PROBLEMS } from './problems.ts'
import { DisabledBody } from './schemas.ts'

const common = {
  tags: ['Clients'],
  params: ClientParams,
  security: [{ adminKey: [] }],
  response: {
    204: NoContent,
    ...problems(...KEY_PROBLEMS, ...BODY_PROBLEMS, 'not_found', 'busy', 'store_unavailable'),
  },
}

const disableSchema = {
  ...common,
  operationId: 'disableClient',
  summary: 'Let a client do nothing',
  description: 'Its secrets and its tokens are refused at once.',
  body: optionalBody(DisabledBody),
}

const enableSchema = {
  ...common,
  operationId: 'enableClient',
  summary: 'Let a client get tokens again',
  description: 'Its secrets are taken again. Its tokens of before stay dead.',
}

/** PUT and DELETE /admin/v1/clients/{id}/disabled */
export function clientAccessRoutes(app: App, deps: Deps): void {
  app.route({
    method: 'PUT',
    url: '/admin/v1/clients/:id/disabled',
    schema: disableSchema,
    async handler(request, reply) {
      const reason = request.body?.reason ?? null
      if (!(await disableClient(deps, request.params.id, reason, callerOf(request)))) throw new Problem('not_found')
      return reply.code(204).send()
    },
  })

  app.route({
    method: 'DELETE',
    url: '/admin/v1/clients/:id/disabled',
    schema: enableSchema,
    async handler(request, reply) {
      if (!(await enableClient(deps, request.params.id, callerOf(request)))) throw new Problem('not_found')
      return reply.code(204).send()
    },
  })
}
