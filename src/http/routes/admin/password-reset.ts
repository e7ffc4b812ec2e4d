import { requireReset } from '../../../auth/credentials/require-reset.ts'
import type { Deps } from '../../../deps.ts'
import { Problem } from '../../problems.ts'
import { callerOf } from '../../request-caller.ts'
import type { App } from '../../typed-app.ts'
import { problems } from '../problem-schemas.ts'
import { Accepted } from '../schemas.ts'
import { KEY_PROBLEMS } from './problems.ts'
import { UserParams } from './schemas.ts'

const schema = {
  operationId: 'requirePasswordReset',
  tags: ['Users'],
  summary: 'Make a password unusable, and mail how to set another',
  description:
    'The sessions of the user end, all tokens are refused at once, and links and codes of earlier mails open nothing. Again: one more ' +
    'mail with the same link. A disabled account gets no mail, because it would open nothing: send this again once it is enabled. ' +
    'Where the service sends no mail this is 404.',
  params: UserParams,
  security: [{ adminKey: [] }],
  response: {
    202: Accepted.meta({ description: 'Done; the mail is certain to be sent.' }),
    ...problems(...KEY_PROBLEMS, 'not_found', 'busy', 'store_unavailable'),
  },
}

/** POST /admin/v1/users/{id}/password-reset; only where the service sends mail */
export function passwordResetRoute(app: App, deps: Deps): void {
  app.route({
    method: 'POST',
    url: '/admin/v1/users/:id/password-reset',
    schema,
    async handler(request, reply) {
      if (!(await requireReset(deps, request.params.id, callerOf(request)))) throw new Problem('not_found')
      return reply.code(202).send()
    },
  })
}
