/** A span of a trace: a step of a request on its way through several services, W3C Trace Context. Both ids are in lower-case hex. */
export interface SpanName {
  readonly traceId: string
  readonly spanId: string
  /** Whether who began the trace wants it recorded. */
  readonly isSampled: boolean
}

const FORM = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/
const SAMPLED = 1

/**
 * Reads a `traceparent` header: the span of who sent the request. Null: it is malformed, and to be ignored. Later versions may say
 * more behind what version 00 says, W3C Trace Context section 3.2.4.
 */
export function readTraceparent(text: string): SpanName | null {
  const [, version, traceId = '', spanId = '', flags = '', more] = FORM.exec(text) ?? []
  if (version === undefined || (version === '00' && more !== undefined)) return null
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED }
}

/** How a line of the log says which span it is of. */
export function traceFields(span: SpanName | null | undefined): { trace_id?: string; span_id?: string } {
  return span ? { trace_id: span.traceId, span_id: span.spanId } : {}
}
