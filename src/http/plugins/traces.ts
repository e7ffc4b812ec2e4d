import type { FastifyRequest } from 'fastify'
import type { Deps } from '../../deps.ts'
import { readTraceparent, type SpanName } from '../../domain/trace.ts'
import type { RequestSpan } from '../../traces/tracer.ts'
import type { App } from '../typed-app.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Our span; null: none is recorded. */
    span: RequestSpan | null
  }
}

/** Begins a span with each request, and ends it when the answer is written or cut off. Call it before other hooks are added. */
export function traceRequests(app: App, { tracer }: Deps): void {
  app.decorateRequest('span', null)
  if (tracer === null) return
  app.addHook('onRequest', (request, { raw }, done) => {
    const { method, routeOptions } = request
    const span = tracer.begin(parentOf(request))
    request.span = span
    raw.once('close', () => {
      span.end({ method, route: routeOptions.url, status: raw.headersSent ? raw.statusCode : undefined })
    })
    done()
  })
}

/** The span that a request belongs to: ours, or else that of who sent it, if it says so. */
export function spanOf(request: FastifyRequest): SpanName | null {
  return request.span ?? parentOf(request)
}

/** Node joins the lines of a header that it does not know: two are malformed. */
function parentOf({ headers: { traceparent } }: FastifyRequest): SpanName | null {
  return typeof traceparent === 'string' ? readTraceparent(traceparent) : null
}
