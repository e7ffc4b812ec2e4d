/** What a person can prove beside the password. */
export type Factor = 'totp' | 'recovery_code' | 'passkey'

/** What a browser asks for a passkey by, or makes one by: the JSON form of WebAuthn level 3. */
export interface PublicKeyJSON {
  readonly challenge: string
  readonly [more: string]: any
}

/** A refusal in the service's own words: RFC 9457, with a `code` of the contract. */
export interface Problem {
  readonly code: string
  readonly title?: string
  readonly detail?: string
  /** Why the session is over, beside `session_over`. */
  readonly reason?: string
  /** Which fields, or rules of passwords, are at fault. */
  readonly errors?: readonly { readonly path?: string; readonly rule?: string; readonly message: string }[]
  /** Of `second_factor_required`: what goes with the second step. */
  readonly challenge?: string
  /** Of `second_factor_required` and `step_up_required`: what can be proven. */
  readonly factors?: readonly Factor[]
  /** Of `second_factor_required`, where a passkey can be proven. */
  readonly public_key?: PublicKeyJSON
  readonly [more: string]: unknown
}

/** Nobody is logged in, or the session that this was asked in has ended: show the login. */
export class SessionOver extends Error {
  override readonly name = 'SessionOver'
  /** As the contract says it; `logged_out` here, `replaced` by another login, `none` where there was no session. */
  declare readonly reason: string
  constructor(reason: string) {
    super(reason)
    this.reason = reason
  }
}

/** Nobody knows: no answer, 5xx, 429, or an answer that is not the service's. Nothing is lost; ask again later. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
  /** 0: there was no answer. */
  declare readonly status: number
  /** In how many seconds to ask again. */
  declare readonly retryAfter: number
  constructor(status = 0, retryAfter = 1, cause?: unknown) {
    super(`${status}`, { cause })
    this.status = status
    this.retryAfter = retryAfter
  }
}

/** The service says no. The session goes on. */
export class Refused extends Error {
  override readonly name = 'Refused'
  declare readonly status: number
  declare readonly code: string
  declare readonly problem: Problem
  constructor(status: number, problem: Problem) {
    super(problem.code)
    this.status = status
    this.code = problem.code
    this.problem = problem
  }
}

/** Whatever went wrong, nothing is known by it. */
export function toUnavailable(cause?: unknown): never {
  throw new Unavailable(0, 1, cause)
}

/** Nothing, if the session is over; else throws the error again. */
export function unlessOver(error: unknown): false {
  if (error instanceof SessionOver) return false
  throw error
}
