import { compile } from '@fastify/proxy-addr'
import Fastify from 'fastify'
import type { FastifyBaseLogger } from 'fastify'
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import { randomBytes } from 'node:crypto'
import type { Deps } from '../deps.ts'
import { withoutPort } from '../domain/ip-address.ts'
import { closeGently } from '../process/drain.ts'
import type { Checks } from '../process/readiness.ts'
import { askedByGateway } from './plugins/asked-by-gateways.ts'
import {
  answerParserError,
  boundConnections,
  type Patience,
  PATIENCE,
  rememberAddresses,
} from './plugins/connections.ts'
import { answerErrors, answerFrameworkErrors } from './plugins/errors.ts'
import { requireHost } from './plugins/host.ts'
import { acceptJson } from './plugins/json-body.ts'
import { timeRequests } from './plugins/request-times.ts'
import { makeSecurityHeaders, type SecurityHeaders, setSecurityHeaders } from './plugins/response-headers.ts'
import { traceRequests } from './plugins/traces.ts'
import type { App } from './typed-app.ts'

/** What an app needs besides its dependencies. */
export interface AppOptions extends Checks {
  readonly logger: FastifyBaseLogger
  readonly isDraining: () => boolean
  /** How long clients may take; PATIENCE by default. */
  readonly patience?: Patience
}

const BODY_LIMIT = 32 * 1024
const MAX_HEADER_BYTES = 16 * 1024

/** Makes an app without routes: what every listener of the service does with connections, headers, bodies and errors. */
export function makeApp(deps: Deps, { logger, isDraining, patience = PATIENCE }: AppOptions): App {
  const headers = makeSecurityHeaders(deps.config.HSTS)
  const app = makeServer(deps, headers, patience)
  if (deps.config.ADMIN_PORT !== undefined) timeRequests(app, deps.meters)
  traceRequests(app, deps)
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
  return app
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
    rewriteUrl: askedByGateway,
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
