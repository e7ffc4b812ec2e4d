import cors from '@fastify/cors'
import type { onRequestHookHandler } from 'fastify'
import type { App } from '../typed-app.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route sets its own CORS headers. */
    readonly cors?: false
  }
}

/** The headers that a page may send; the last three are of tracing, W3C Trace Context and Baggage. */
const REQUEST_HEADERS = ['Authorization', 'Content-Type', 'If-Match', 'traceparent', 'tracestate', 'baggage']
const PREFLIGHT_AGE_S = 600

/** Allows pages of exactly these origins to use the service, with credentials. */
export async function allowOrigins(app: App, origins: readonly string[]): Promise<void> {
  await app.register(cors, {
    origin: (origin, done) => done(null, origin !== undefined && origins.includes(origin)),
    credentials: true,
    methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
    allowedHeaders: REQUEST_HEADERS,
    exposedHeaders: ['ETag', 'Retry-After', 'WWW-Authenticate'],
    maxAge: PREFLIGHT_AGE_S,
    strictPreflight: false,
  })
}

const ANY_PAGE = { 'access-control-allow-origin': '*' }
const PREFLIGHT = {
  ...ANY_PAGE,
  'access-control-allow-methods': 'GET, HEAD',
  'access-control-allow-headers': REQUEST_HEADERS.join(', '),
  'access-control-max-age': PREFLIGHT_AGE_S,
}
const READABLE = { ...ANY_PAGE, 'cross-origin-resource-policy': 'cross-origin' }

const letReadIt: onRequestHookHandler = (_request, reply, done) => {
  void reply.headers(READABLE)
  done()
}

/** Makes the part of a GET route that lets any page read this URL, without credentials; also answers its preflight. */
export function openToAnyPage(app: App, url: string) {
  const config = { cors: false } as const
  app.options(url, { config }, (_request, reply) => void reply.code(204).headers(PREFLIGHT).send())
  return { url, config, onRequest: letReadIt }
}
