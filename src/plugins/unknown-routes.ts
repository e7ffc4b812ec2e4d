import type { RouteOptions, preValidationAsyncHookHandler } from 'fastify'
import { Problem } from '../problems.ts'
import type { App } from './app.ts'

/** Answers 404, or 405 with Allow where the path has other methods. Call before the routes are added. */
export function answerUnknownRoutes(app: App, guard: preValidationAsyncHookHandler): void {
  const methods = new Map<string, { readonly path: RegExp; readonly allow: Set<string> }>()

  app.addHook('onRoute', ({ url, method }: RouteOptions) => {
    const known = methods.get(url) ?? { path: new RegExp(`^${url.replace(/:\w+/g, '[^/]+')}$`), allow: new Set() }
    for (const name of [method].flat()) known.allow.add(name)
    methods.set(url, known)
  })

  app.setNotFoundHandler({ preValidation: guard }, (request) => {
    const [path = ''] = request.url.split('?')
    const known = [...methods.values()].find((route) => route.path.test(path))
    throw known ? new Problem('method_not_allowed', { allow: [...known.allow] }) : new Problem('not_found')
  })
}
