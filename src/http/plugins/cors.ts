import cors from '@fastify/cors'
import type { onRequestHookHandler } from 'fastify'
import type { App } from '../typed-app.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route tells pages by itself what they may do. */
    readonly cors?: false
  }
}

/** What a page may send; the last three come from tracing, W3C Trace Context and Baggage. */
const REQUEST_HEADERS = ['Authorization', 'Content-Type', 'If-Match', 'traceparent', 'tracestate', 'baggage']
const PREFLIGHT_AGE_S = 600

/** CORS by exact list: for these origins, with credentials, and for no others. */
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

/** What the GET route of this URL needs so that any page may read it, without credentials; answers its preflight. */
export function openToAnyPage(app: App, url: string) {
  const config = { cors: false } as const
  app.options(url, { config }, (_request, reply) => void reply.code(204).headers(PREFLIGHT).send())
  return { url, config, onRequest: letReadIt }
}
