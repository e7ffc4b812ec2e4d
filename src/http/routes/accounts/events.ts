import { readTrail } from '../../../auth/accounts/trail.ts'
import { asOwnerSees } from '../../../domain/trail.ts'
import type { Edge } from '../../edge.ts'
import { Problem } from '../../problems.ts'
import type { App } from '../../typed-app.ts'
import { problems, TOKEN_PROBLEMS } from '../problem-schemas.ts'
import { Events, eventsAnswer, EventsQuery } from '../trail.ts'

const schema = {
  operationId: 'listEvents',
  tags: ['Accounts'],
  summary: 'What has happened to the account',
  description:
    'Logins, changes, and why each session was ended, newest first. One that has timed out ended by itself, and is not told; nor are failed logins. ' +
    'Each is kept for EVENTS_KEPT, 90 days by default, but no more than the last 1000.',
  querystring: EventsQuery,
  security: [{ bearer: [] }],
  response: {
    200: Events.meta({ description: 'Events; `by` is `operator` where it was not you.' }),
    ...problems(...TOKEN_PROBLEMS, 'bad_request', 'too_many_requests', 'store_unavailable'),
  },
}

/** GET /v1/me/events */
export function ownEventRoute(app: App, { deps, bearer, limitPerAddress }: Edge): void {
  app.route({
    method: 'GET',
    url: '/v1/me/events',
    schema,
    onRequest: [limitPerAddress('api'), bearer.requireToken],
    async handler(request) {
      const { cursor: before = Infinity, limit } = request.query
      const page = await readTrail(deps, request.token.claims.sub, { before, limit })
      if (page === null) throw new Problem('token_revoked')
      return eventsAnswer({ ...page, events: page.events.map(asOwnerSees) })
    },
  })
}
