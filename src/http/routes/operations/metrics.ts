import type { Exposition } from '../../../metrics/exposition.ts'
import type { App } from '../../typed-app.ts'

/** GET /metrics, in the text format of Prometheus. */
export function metricsRoute(app: App, { contentType, text }: Exposition): void {
  app.route({
    method: 'GET',
    url: '/metrics',
    handler: async (_request, reply) => reply.type(contentType).send(await text()),
  })
}
