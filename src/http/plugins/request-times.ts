import type { RouteOptions } from 'fastify'
import type { Meters } from '../../metrics/meters.ts'
import type { App } from '../typed-app.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** When its first hook ran, by the steady clock. */
    begunAt: number
  }
}

/** What is told of a request for a route that there is not. */
const NONE = 'none'

/**
 * Counts every answer of the app under its route, with the time until it was ready to be sent. Call it before other hooks and the
 * routes are added. It hangs on hooks that cost little: what is heard after an answer is sent costs listeners on each one.
 */
export function timeRequests(app: App, { routeOf }: Pick<Meters, 'routeOf'>): void {
  const noteUnknown = routeOf(NONE, NONE)

  app.decorateRequest('begunAt', 0)
  app.addHook('onRequest', (request, _reply, done) => {
    request.begunAt = performance.now()
    done()
  })
  app.addHook('onSend', (request, { statusCode }, payload, done) => {
    if (request.is404) noteUnknown(statusCode, performance.now() - request.begunAt)
    done(null, payload)
  })
  app.addHook('onRoute', (route: RouteOptions) => {
    const [method = NONE] = [route.method].flat()
    const note = routeOf(method, route.url)
    route.onSend = [
      ...[route.onSend ?? []].flat(),
      (request, { statusCode }, payload, done) => {
        note(statusCode, performance.now() - request.begunAt)
        done(null, payload)
      },
    ]
  })
}
