// What use cases throw; http/plugins/errors.ts answers it. (The store throws StoreUnavailable, see store/store.ts.)

/** There is more work than room for it, and nothing has been done: the client is answered 503 `busy`. */
export class Busy extends Error {
  override readonly name = 'Busy'
}

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
