/** Who is asking, as far as the edge could tell: shown in the device list and written in the log. */
export interface Caller {
  readonly ip: string
  /** The address as limits count it: of an IPv6 address the /64. */
  readonly network: string
  readonly userAgent: string
  readonly requestId: string
}
