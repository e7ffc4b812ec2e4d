import type { SpanName } from './trace.ts'

/** Who sent a request, as far as the edge can tell: shown in the list of devices, written in the log. */
export interface Caller {
  readonly ip: string
  /** The narrowest network that limits count the address in: an IPv4 address itself, the /64 of an IPv6 address. */
  readonly network: string
  readonly userAgent: string
  readonly requestId: string
  /** The span that the request belongs to; absent: it is of no trace. */
  readonly span?: SpanName
  /** The name of the operator's key, and for whom the operator says to act; absent: a person asks for themself. */
  readonly by?: string
  readonly actor?: string
}
