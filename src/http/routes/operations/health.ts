import type { CheckReadiness } from '../../../process/readiness.ts'
import type { App } from '../../typed-app.ts'
import { problems } from '../problem-schemas.ts'
import { Health } from '../schemas.ts'

const liveSchema = {
  operationId: 'live',
  tags: ['Health'],
  summary: 'Is the process alive?',
  description: 'Never depends on the store.',
  response: { 200: Health.meta({ description: 'Alive.' }), ...problems() },
}

const readySchema = {
  operationId: 'ready',
  tags: ['Health'],
  summary: 'Should the balancer send requests here?',
  description: 'Checks by reading and writing the store, its settings, and the signing keys.',
  response: {
    200: Health.meta({ description: 'Ready.' }),
    503: Health.meta({ description: 'Not ready, and why.' }),
    ...problems(),
  },
}

/** GET /livez and /readyz */
export function healthRoutes(app: App, checkReadiness: CheckReadiness): void {
  app.route({
    method: 'GET',
    url: '/livez',
    schema: liveSchema,
    handler: async () => ({ status: 'ok' as const }),
  })

  app.route({
    method: 'GET',
    url: '/readyz',
    schema: readySchema,
    async handler(_request, reply) {
      const { reasons, warnings } = await checkReadiness()
      const said = warnings.length > 0 ? { warnings: [...warnings] } : {}
      if (reasons.length === 0) return { status: 'ok' as const, ...said }
      return reply.code(503).send({ status: 'unavailable' as const, reasons: [...reasons], ...said })
    },
  })
}
