import type { App } from '../plugins/app.ts'
import type { Edge } from './edge.ts'
import { Health, problems } from './schemas.ts'

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
  description: 'Checks by reading and writing the store, its eviction policy, and the signing keys.',
  response: {
    200: Health.meta({ description: 'Ready.' }),
    503: Health.meta({ description: 'Not ready, and why.' }),
    ...problems(),
  },
}

/** GET /livez and /readyz. `isDraining` says that the process is about to stop. */
export function healthRoutes(app: App, { deps }: Edge, isDraining: () => boolean): void {
  let said = ''
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
    async handler(request, reply) {
      const reasons = await whyNotReady()
      if (reasons.join() !== said) request.log.warn({ reasons }, reasons.length === 0 ? 'ready' : 'not ready')
      said = reasons.join()
      if (reasons.length === 0) return { status: 'ok' as const }
      return reply.code(503).send({ status: 'unavailable' as const, reasons })
    },
  })

  async function whyNotReady(): Promise<string[]> {
    const keyFault = deps.keyring.fault()
    const faults = [...(await deps.store.faults()), ...(keyFault === null ? [] : [keyFault])]
    return isDraining() ? ['the process is stopping', ...faults] : faults
  }
}
