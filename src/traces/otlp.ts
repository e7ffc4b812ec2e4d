import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace'
import { setTimeout as wait } from 'node:timers/promises'
import type { SpanName } from '../domain/trace.ts'
import type { Tracer } from './tracer.ts'

/** For how many ms the collector may take, also when the process stops. */
const PATIENCE_MS = 2000

/** Where spans go, and what hears of spans that do not get there. */
export interface OtlpOptions {
  /** The base URL of an OpenTelemetry collector, without a slash at its end. */
  readonly endpoint: string
  /** What the service is called there. */
  readonly name: string
  readonly onFailure: (error: Error) => void
}

/** Opens a tracer that sends spans by OTLP over HTTP, as JSON. What cannot be sent is lost, and delays nobody. */
export function openTracer({ endpoint, name, onFailure }: OtlpOptions): Tracer {
  const sent = new OTLPTraceExporter({ url: `${endpoint}/v1/traces`, timeoutMillis: PATIENCE_MS })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': name }),
    spanProcessors: [new BatchSpanProcessor({ exporter: telling(sent, onFailure), exportTimeoutMillis: PATIENCE_MS })],
  })
  const tracer = provider.getTracer('latchkey')
  return {
    begin(parent) {
      const span = tracer.startSpan('request', { kind: SpanKind.SERVER }, contextOf(parent))
      const { traceId, spanId } = span.spanContext()
      return {
        traceId,
        spanId,
        isSampled: span.isRecording(),
        end({ method, route, status }) {
          span.updateName(route === undefined ? method : `${method} ${route}`)
          span.setAttributes({
            'http.request.method': method,
            'http.route': route,
            'http.response.status_code': status,
          })
          if (status !== undefined && status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
          span.end()
        },
      }
    },
    close: () => Promise.race([provider.shutdown().catch(() => {}), wait(PATIENCE_MS, undefined, { ref: false })]),
  }
}

function contextOf(parent: SpanName | null) {
  if (parent === null) return ROOT_CONTEXT
  const traceFlags = parent.isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  return trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceFlags, isRemote: true })
}

/** The same exporter, whose failures are told. */
function telling(exporter: SpanExporter, onFailure: OtlpOptions['onFailure']): SpanExporter {
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.error !== undefined) onFailure(result.error)
        done(result)
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  }
}
