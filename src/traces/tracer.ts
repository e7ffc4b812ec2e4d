import type { SpanName } from '../domain/trace.ts'

/** What is told of a request when it is over, and nothing else. */
export interface RequestTold {
  readonly method: string
  /** The pattern; undefined: it was for nothing that there is. */
  readonly route: string | undefined
  /** Undefined: the client had gone before it was answered. */
  readonly status: number | undefined
}

/** The span of a request that is under way. */
export interface RequestSpan extends SpanName {
  readonly end: (told: RequestTold) => void
}

/** Records spans, and sends them in the background. */
export interface Tracer {
  /** Begins a span; `parent` is that of who sent the request. */
  readonly begin: (parent: SpanName | null) => RequestSpan
  /** Sends what is left, for as long as that may take. */
  readonly close: () => Promise<void>
}
