/** A limit is used up: the client is answered 429, and when to come again. */
export class TooMany extends Error {
  override readonly name = 'TooMany'
  /** For how many ms the limit is still used up. */
  readonly leftMs: number

  constructor(leftMs: number) {
    super('too many requests')
    this.leftMs = leftMs
  }
}
