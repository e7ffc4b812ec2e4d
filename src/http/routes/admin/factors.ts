import { removeAllFactors } from '../../../auth/factors/remove.ts'
import type { Deps } from '../../../deps.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { problems } from '../problem-schemas.ts'
import { NoContent } from '../schemas.ts'
import { KEY_PROBLEMS } from './problems.ts'
import { UserParams } from './schemas.ts'

const schema = {
  tags: ['Users'],
  params: UserParams,
  security: [{ adminKey: [] }],
  operationId: 'removeUserFactors',
  summary: 'Remove the second factors of a user',
  description:
    'For somebody who has lost them and the recovery codes: the password lets in again. All sessions end, and the owner is told by mail.',
  response: { 204: NoContent, ...problems(...KEY_PROBLEMS, 'not_found', 'busy', 'store_unavailable') },
}

/** DELETE /admin/v1/users/{id}/factors */
export function userFactorsRoute(app: App, deps: Deps): void {
  app.route({
    method: 'DELETE',
    url: '/admin/v1/users/:id/factors',
    schema,
    async handler(request, reply) {
      if (!(await removeAllFactors(deps, request.params.id, callerOf(request)))) throw new Problem('not_found')
      return reply.code(204).send()
    },
  })
}
