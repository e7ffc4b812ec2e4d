import type { Checks, CheckReadiness } from '../../../process/readiness.ts'
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

const ownSchema = {
  ...readySchema,
  operationId: 'readyOwn',
  summary: 'Could this process serve, whatever the store does now?',
  description:
    'For probes of an orchestrator, which would else take all instances away when the store that they share fails. 503 until the process has been ready once, while it cannot open the signing keys, and while it stops.',
}

/** GET /livez, /readyz and /readyz/own */
export function healthRoutes(app: App, { checkReadiness, checkOwnReadiness }: Checks): void {
  app.route({
    method: 'GET',
    url: '/livez',
    schema: liveSchema,
    handler: async () => ({ status: 'ok' as const }),
  })

  readyRoute(app, '/readyz', readySchema, checkReadiness)
  readyRoute(app, '/readyz/own', ownSchema, checkOwnReadiness)
}

function readyRoute(app: App, url: string, schema: typeof readySchema, check: CheckReadiness): void {
  app.route({
    method: 'GET',
    url,
    schema,
    async handler(_request, reply) {
      const { reasons, warnings } = await check()
      const said = warnings.length > 0 ? { warnings: [...warnings] } : {}
      if (reasons.length === 0) return { status: 'ok' as const, ...said }
      return reply.code(503).send({ status: 'unavailable' as const, reasons: [...reasons], ...said })
    },
  })
}
