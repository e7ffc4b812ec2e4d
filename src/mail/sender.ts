/** Sends what waits, in the background. */
export interface Sender {
  /** Says that a mail waits: it is looked for at once. */
  readonly wake: () => void
  /** Takes no mail any more, and resolves when those that are being sent are sent, or after some seconds. */
  readonly stop: () => Promise<void>
}
