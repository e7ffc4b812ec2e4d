import { compile } from '@fastify/proxy-addr'
import Fastify from 'fastify'
import type { FastifyBaseLogger } from 'fastify'
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import { randomBytes } from 'node:crypto'
import type { Deps } from '../deps.ts'
import { withoutPort } from '../domain/ip-address.ts'
import { closeGently } from '../process/drain.ts'
import type { CheckReadiness } from '../process/readiness.ts'
import type { Edge } from './edge.ts'
import { serveDocs } from './plugins/api-docs.ts'
import { makeBearerTokens } from './plugins/bearer.ts'
import {
  answerParserError,
  boundConnections,
  type Patience,
  PATIENCE,
  rememberAddresses,
} from './plugins/connections.ts'
import { allowOrigins } from './plugins/cors.ts'
import { makeCrossSiteGuard } from './plugins/cross-site.ts'
import { answerErrors, answerFrameworkErrors } from './plugins/errors.ts'
import { requireHost } from './plugins/host.ts'
import { acceptJson } from './plugins/json-body.ts'
import { makeRefreshCookie } from './plugins/refresh-cookie.ts'
import { makeLimits } from './plugins/request-limits.ts'
import { makeSecurityHeaders, type SecurityHeaders, setSecurityHeaders } from './plugins/response-headers.ts'
import { answerUnknownRoutes } from './plugins/unknown-routes.ts'
import { emailChangeRoutes } from './routes/accounts/email-change.ts'
import { verificationRoutes } from './routes/accounts/email-verification.ts'
import { meRoutes } from './routes/accounts/me.ts'
import { registerRoute } from './routes/accounts/register.ts'
import { passwordRoute } from './routes/credentials/password.ts'
import { resetRoutes } from './routes/credentials/reset.ts'
import { stepUpRoute } from './routes/credentials/step-up.ts'
import { healthRoutes } from './routes/operations/health.ts'
import { jwksRoute } from './routes/operations/jwks.ts'
import { verifyRoute } from './routes/operations/verify.ts'
import { sessionRoutes } from './routes/sessions/devices.ts'
import { documentRoutes } from './routes/sessions/documents.ts'
import { loginRoute } from './routes/sessions/login.ts'
import { logoutRoute } from './routes/sessions/logout.ts'
import { refreshRoute } from './routes/sessions/refresh.ts'
import type { App } from './typed-app.ts'

/** What the app needs besides its dependencies. */
export interface AppOptions {
  readonly logger: FastifyBaseLogger
  readonly isDraining: () => boolean
  readonly checkReadiness: CheckReadiness
  /** How long clients may take; PATIENCE by default. */
  readonly patience?: Patience
}

const BODY_LIMIT = 32 * 1024
const MAX_HEADER_BYTES = 16 * 1024

/** Builds the whole HTTP service, plugins first, then routes, in the order in which they run. It does not listen yet. */
export async function buildApp(deps: Deps, options: AppOptions): Promise<App> {
  const { logger, isDraining, checkReadiness, patience = PATIENCE } = options
  const headers = makeSecurityHeaders(deps.config.HSTS)
  const app = makeServer(deps, headers, patience)
  answerErrors(app, logger)
  setSecurityHeaders(app, headers, isDraining)
  requireHost(app)
  boundConnections(app.server, patience)
  rememberAddresses(app.server)
  closeGently(app)
  app.server.maxHeadersCount = 0 // no header is dropped: MAX_HEADER_BYTES bounds them
  // An unknown expectation is ignored, as RFC 9110 section 10.1.1 allows; Node would answer 417.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  acceptJson(app)
  if (deps.config.ALLOWED_ORIGINS.length > 0) await allowOrigins(app, deps.config.ALLOWED_ORIGINS)

  const limitPerAddress = await makeLimits(app, deps)
  const bearer = makeBearerTokens(app, deps)
  const edge: Edge = { deps, limitPerAddress, bearer, refuseCrossSite: makeCrossSiteGuard(deps) }
  answerUnknownRoutes(app, limitPerAddress('api'))

  verifyRoute(app, edge)
  jwksRoute(app, edge)
  healthRoutes(app, checkReadiness)
  sessionRoutes(app, edge)
  documentRoutes(app, edge)
  serveDocs(app)
  await app.register(async (scope) => {
    const cookie = await makeRefreshCookie(scope, deps)
    for (const add of cookieRoutes(deps)) add(scope, { ...edge, cookie })
  })
  await app.ready()
  return app
}

/** The routes that may touch the cookie; those that need mail, or open registration, only where there is that. */
function cookieRoutes({ config, sender }: Deps) {
  const always = [loginRoute, refreshRoute, logoutRoute, passwordRoute, stepUpRoute, meRoutes]
  const open = config.REGISTRATION === 'open' ? [registerRoute] : []
  return [...open, ...always, ...(sender === null ? [] : [resetRoutes, verificationRoutes, emailChangeRoutes])]
}

/** In place of Fastify's compilers of JSON schemas: to load them takes a tenth of the time of a start, and all schemas are zod's. */
function loadsNothing(): never {
  throw new Error('a schema that is not of zod')
}

function makeServer({ config }: Deps, headers: SecurityHeaders, { requestMs, idleMs }: Patience): App {
  const instance = randomBytes(4).toString('hex')
  let requests = 0
  return Fastify({
    genReqId: () => `${instance}-${(requests += 1).toString(36)}`,
    trustProxy: config.TRUST_PROXY.length > 0 && trustIn(config.TRUST_PROXY),
    bodyLimit: BODY_LIMIT,
    requestTimeout: requestMs,
    keepAliveTimeout: idleMs,
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: requestMs,
      connectionsCheckingInterval: 1000,
      requireHostHeader: false, // plugins/host.ts requires it, and answers with a problem document
    },
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 500 },
    clientErrorHandler: (error, socket) => answerParserError(error, socket, headers),
    frameworkErrors: answerFrameworkErrors(headers),
    schemaController: { compilersFactory: { buildValidator: loadsNothing, buildSerializer: loadsNothing } },
  })
    .setValidatorCompiler(validatorCompiler)
    .setSerializerCompiler(serializerCompiler)
    .withTypeProvider<ZodTypeProvider>()
}

/**
 * The most proxies that are believed: a client within a trusted network could name thousands in X-Forwarded-For, and each costs
 * time.
 */
const MAX_PROXIES = 32

/** Makes the function that tells whether an address, with a port or without, is a trusted proxy's. */
function trustIn(proxies: readonly string[]): (address: string, hop: number) => boolean {
  const isTrusted = compile([...proxies])
  return (address, hop) => hop < MAX_PROXIES && isTrusted(withoutPort(address), hop)
}
