import type { Deps } from '../deps.ts'
import { requireAdminKey } from './plugins/admin-key.ts'
import { serveAdminDocument } from './plugins/api-docs.ts'
import { answerUnknownRoutes } from './plugins/unknown-routes.ts'
import { accessRoutes } from './routes/admin/access.ts'
import { clientAccessRoutes } from './routes/admin/client-access.ts'
import { clientRoutes } from './routes/admin/clients.ts'
import { createRoute } from './routes/admin/create.ts'
import { userEventRoute } from './routes/admin/events.ts'
import { exportRoute } from './routes/admin/export.ts'
import { userFactorsRoute } from './routes/admin/factors.ts'
import { importRoute } from './routes/admin/import.ts'
import { passwordResetRoute } from './routes/admin/password-reset.ts'
import { userSessionRoutes } from './routes/admin/sessions.ts'
import { userRoutes } from './routes/admin/users.ts'
import { healthRoutes } from './routes/operations/health.ts'
import { metricsRoute } from './routes/operations/metrics.ts'
import { type AppOptions, makeApp } from './server.ts'
import type { App } from './typed-app.ts'

/** Builds the app of the operator's listener, which no proxy should pass on. It does not listen yet. */
export async function buildAdminApp(deps: Deps, options: AppOptions): Promise<App> {
  const app = makeApp(deps, options)
  requireAdminKey(app, deps)
  answerUnknownRoutes(app, async () => {}) // nobody without a key gets so far below /admin
  healthRoutes(app, options)
  const { openExposition } = await import('../metrics/exposition.ts') // loaded only where there is this listener
  metricsRoute(app, openExposition({ ...deps, lastReadiness: options.lastReadiness }))
  serveAdminDocument(app)
  const needMail = deps.sender === null ? [] : [passwordResetRoute]
  const ofUsers = [
    userRoutes,
    createRoute,
    importRoute,
    accessRoutes,
    userSessionRoutes,
    userFactorsRoute,
    userEventRoute,
  ]
  for (const add of [...ofUsers, ...needMail, clientRoutes, clientAccessRoutes]) add(app, deps)
  exportRoute(app, deps, options)
  await app.ready()
  return app
}
