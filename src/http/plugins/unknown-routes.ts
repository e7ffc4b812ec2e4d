import type { FastifyRequest, FastifySchema, RouteOptions } from 'fastify'
import { Problem } from '../problems.ts'
import type { App } from '../typed-app.ts'

/** One method of one route, as it was added to the app. HEAD is not listed: every GET route has it. */
export interface KnownRoute {
  readonly url: string
  readonly method: string
  readonly schema: FastifySchema | undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Every route of the app. */
    readonly routes: readonly KnownRoute[]
  }
}

/**
 * Answers a request for no route 404, or 405 with Allow if its path has other methods, before the body is read; `limit` counts
 * such requests, too. Adds HEAD to every GET route, RFC 9110 section 9.1. Call it before the routes are added: it lists them in
 * `app.routes`.
 */
export function answerUnknownRoutes(app: App, limit: (request: FastifyRequest) => Promise<void>): void {
  const routes: (KnownRoute & { readonly path: RegExp })[] = []

  app.decorate('routes', routes)
  app.addHook('onRoute', (route: RouteOptions) => {
    const { url, schema } = route
    if (route.method === 'OPTIONS') return // preflights are not listed
    const path = new RegExp(`^${url.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`)
    for (const method of [route.method].flat()) routes.push({ url, method, schema, path })
    if (route.method === 'GET') route.method = ['GET', 'HEAD'] // Node leaves the body out
  })

  function problemOf({ url }: FastifyRequest): Problem {
    const [path = ''] = url.split('?')
    const methods = routes.filter((route) => route.path.test(path)).map(({ method }) => method)
    const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : method))
    return allow.length > 0 ? new Problem('method_not_allowed', { allow }) : new Problem('not_found')
  }

  app.addHook('onRequest', (request, _reply, done) => {
    if (request.is404) limit(request).then(() => done(problemOf(request)), done)
    else done()
  })
  // A preflight from an origin that is not allowed gets past the hook, and comes here.
  app.setNotFoundHandler((request) => {
    throw problemOf(request)
  })
}
