import type { Deps } from '../deps.ts'
import type { Edge, OauthEdge } from './edge.ts'
import { serveDocs } from './plugins/api-docs.ts'
import { makeBearerTokens } from './plugins/bearer.ts'
import { makeClientAuth } from './plugins/client-auth.ts'
import { allowOrigins } from './plugins/cors.ts'
import { makeCrossSiteGuard } from './plugins/cross-site.ts'
import { acceptForms } from './plugins/form-body.ts'
import { answerOauthErrors } from './plugins/oauth-errors.ts'
import { makeRefreshCookie } from './plugins/refresh-cookie.ts'
import { makeLimits } from './plugins/request-limits.ts'
import { answerUnknownRoutes } from './plugins/unknown-routes.ts'
import { emailChangeRoutes } from './routes/accounts/email-change.ts'
import { verificationRoutes } from './routes/accounts/email-verification.ts'
import { ownEventRoute } from './routes/accounts/events.ts'
import { meRoutes } from './routes/accounts/me.ts'
import { registerRoute } from './routes/accounts/register.ts'
import { passwordRoute } from './routes/credentials/password.ts'
import { resetRoutes } from './routes/credentials/reset.ts'
import { stepUpRoutes } from './routes/credentials/step-up.ts'
import { factorsRoute } from './routes/factors/list.ts'
import { passkeyRoute, passkeyRoutes } from './routes/factors/passkeys.ts'
import { recoveryCodesRoute } from './routes/factors/recovery-codes.ts'
import { totpRoutes } from './routes/factors/totp.ts'
import { introspectRoute } from './routes/oauth/introspect.ts'
import { metadataRoute } from './routes/oauth/metadata.ts'
import { revokeRoute } from './routes/oauth/revoke.ts'
import { tokenRoute } from './routes/oauth/token.ts'
import { healthRoutes } from './routes/operations/health.ts'
import { jwksRoute } from './routes/operations/jwks.ts'
import { verifyRoute } from './routes/operations/verify.ts'
import { sessionRoutes } from './routes/sessions/devices.ts'
import { documentRoutes } from './routes/sessions/documents.ts'
import { loginRoute } from './routes/sessions/login.ts'
import { logoutRoute } from './routes/sessions/logout.ts'
import { passkeyLoginRoutes } from './routes/sessions/passkey-login.ts'
import { refreshRoute } from './routes/sessions/refresh.ts'
import { secondFactorRoute } from './routes/sessions/second-factor.ts'
import { type AppOptions, makeApp } from './server.ts'
import type { App } from './typed-app.ts'

/** Builds the public app, plugins first, then routes, in the order in which they run. It does not listen yet. */
export async function buildApp(deps: Deps, options: AppOptions): Promise<App> {
  const app = makeApp(deps, options)
  if (deps.config.ALLOWED_ORIGINS.length > 0) await allowOrigins(app, deps.config.ALLOWED_ORIGINS)

  const limitPerAddress = await makeLimits(app, deps)
  const bearer = makeBearerTokens(app, deps)
  const edge: Edge = { deps, limitPerAddress, bearer, refuseCrossSite: makeCrossSiteGuard(deps) }
  answerUnknownRoutes(app, limitPerAddress('api'))

  verifyRoute(app, edge)
  jwksRoute(app, edge)
  metadataRoute(app, edge)
  healthRoutes(app, options)
  sessionRoutes(app, edge)
  ownEventRoute(app, edge)
  documentRoutes(app, edge)
  serveDocs(app)
  await app.register(async (scope) => {
    acceptForms(scope)
    answerOauthErrors(scope, options.logger)
    const oauthEdge: OauthEdge = { ...edge, clients: makeClientAuth(scope, edge) }
    for (const add of [tokenRoute, introspectRoute, revokeRoute]) add(scope, oauthEdge)
  })
  await app.register(async (scope) => {
    const cookie = await makeRefreshCookie(scope, deps)
    for (const add of cookieRoutes(deps)) add(scope, { ...edge, cookie })
  })
  await app.ready()
  return app
}

/** The routes that may touch the cookie; those that need mail, or open registration, only where there is that. */
function cookieRoutes({ config, sender }: Deps) {
  const doors = [loginRoute, secondFactorRoute, passkeyLoginRoutes, refreshRoute, logoutRoute]
  const factors = [factorsRoute, totpRoutes, recoveryCodesRoute, passkeyRoutes, passkeyRoute]
  const always = [...doors, passwordRoute, stepUpRoutes, ...factors, meRoutes]
  const open = config.REGISTRATION === 'open' ? [registerRoute] : []
  return [...open, ...always, ...(sender === null ? [] : [resetRoutes, verificationRoutes, emailChangeRoutes])]
}
