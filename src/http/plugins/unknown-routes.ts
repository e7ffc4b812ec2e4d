import type { FastifyRequest, FastifySchema, RouteOptions } from 'fastify'
import { Problem } from '../problems.ts'
import type { App } from '../typed-app.ts'

/** One method of one path, as it was added to the app; HEAD goes without saying. */
export interface KnownRoute {
  readonly url: string
  readonly method: string
  readonly schema: FastifySchema | undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Every route there is. */
    readonly routes: readonly KnownRoute[]
  }
}

/**
 * Answers 404, or 405 with Allow where the path has other methods, before the body is looked at; `limit` counts such requests too.
 * What has GET has HEAD, RFC 9110 section 9.1. Call before the routes are added: it collects them in `app.routes`.
 */
export function answerUnknownRoutes(app: App, limit: (request: FastifyRequest) => Promise<void>): void {
  const routes: (KnownRoute & { readonly path: RegExp })[] = []

  app.decorate('routes', routes)
  app.addHook('onRoute', (route: RouteOptions) => {
    const { url, schema } = route
    if (route.method === 'OPTIONS') return // a preflight is the browser's own affair
    const path = new RegExp(`^${url.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`)
    for (const method of [route.method].flat()) routes.push({ url, method, schema, path })
    if (route.method === 'GET') route.method = ['GET', 'HEAD'] // Node leaves the body out
  })

  function refusal({ url }: FastifyRequest): Problem {
    const [path = ''] = url.split('?')
    const methods = routes.filter((route) => route.path.test(path)).map(({ method }) => method)
    const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : method))
    return allow.length > 0 ? new Problem('method_not_allowed', { allow }) : new Problem('not_found')
  }

  app.addHook('onRequest', (request, _reply, done) => {
    if (request.is404) limit(request).then(() => done(refusal(request)), done)
    else done()
  })
  // A preflight of an origin that is not allowed comes here by another way.
  app.setNotFoundHandler((request) => {
    throw refusal(request)
  })
}
