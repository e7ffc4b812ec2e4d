import { readTrail } from '../../../auth/accounts/trail.ts'
import type { Deps } from '../../../deps.ts'
import { Problem } from '../../problems.ts'
import type { App } from '../../typed-app.ts'
import { problems } from '../problem-schemas.ts'
import { Events, eventsAnswer, EventsQuery } from '../trail.ts'
import { KEY_PROBLEMS } from './problems.ts'
import { UserParams } from './schemas.ts'

const schema = {
  operationId: 'listUserEvents',
  tags: ['Users'],
  summary: 'What has happened to an account',
  description:
    'As its owner sees it at `/v1/me/events`, with the name of the key (`by`) and what `X-Actor` said (`actor`).',
  params: UserParams,
  querystring: EventsQuery,
  security: [{ adminKey: [] }],
  response: {
    200: Events.meta({ description: 'Events.' }),
    ...problems(...KEY_PROBLEMS, 'bad_request', 'not_found', 'store_unavailable'),
  },
}

/** GET /admin/v1/users/{id}/events */
export function userEventRoute(app: App, deps: Deps): void {
  app.route({
    method: 'GET',
    url: '/admin/v1/users/:id/events',
    schema,
    async handler(request) {
      const { cursor: before = Infinity, limit } = request.query
      const page = await readTrail(deps, request.params.id, { before, limit })
      if (page === null) throw new Problem('not_found')
      return eventsAnswer(page)
    },
  })
}
