import type { Factor } from '../domain/factors.ts'

// What use cases throw; http/plugins/errors.ts answers it. (The store throws StoreUnavailable, see store/store.ts.)

/** There is more work than room for it, and nothing has been done: the client is answered 503 `busy`. */
export class Busy extends Error {
  override readonly name = 'Busy'
}

/** The person must prove anew who they are, and nothing has been done: the client is answered 403 `step_up_required`. */
export class StepUpRequired extends Error {
  override readonly name = 'StepUpRequired'
  /** For how many ms a proof is good, and the second factors that the person can prove; none: the password will do. */
  readonly maxAgeMs: number
  readonly factors: readonly Factor[]

  constructor(maxAgeMs: number, factors: readonly Factor[]) {
    super('step up')
    this.maxAgeMs = maxAgeMs
    this.factors = factors
  }
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
