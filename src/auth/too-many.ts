/** A limit is used up: the caller says 429, and when to come again. */
export class TooMany extends Error {
  override readonly name = 'TooMany'
  /** For how long it still is. */
  readonly leftMs: number

  constructor(leftMs: number) {
    super('too many requests')
    this.leftMs = leftMs
  }
}
