import { type Challenge, challengeOf } from './challenge.ts'

const STATUS = {
  no_token: 401,
  token_invalid: 401,
  token_expired: 401,
  token_revoked: 401,
  step_up_required: 401,
  insufficient: 403,
} as const

/** Why a request is refused: the codes of Latchkey's own problems. */
export type RefusalCode = keyof typeof STATUS

const TITLES: Record<RefusalCode, string> = {
  no_token: 'A token is needed.',
  token_invalid: 'The token is not one of ours.',
  token_expired: 'The access token has expired: refresh it.',
  token_revoked: 'The token has been revoked.',
  step_up_required: 'Prove again who you are.',
  insufficient: 'The token is live, and is not enough for this.',
}

/** The request is refused, and it is known why. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly status: 401 | 403
  readonly code: RefusalCode
  /** The value of WWW-Authenticate, RFC 6750 section 3; for `step_up_required` RFC 9470 section 3, at which no refresh helps. */
  readonly challenge: string

  constructor(code: RefusalCode, wanted: Challenge = {}) {
    super(TITLES[code])
    this.status = STATUS[code]
    this.code = code
    this.challenge = challengeOf(code, wanted)
  }
}

/** Nobody can know now: answer 503, never 401, or people would be logged out by an outage. */
export class Unknown extends Error {
  override readonly name = 'Unknown'
  readonly status = 503
  /** Seconds to wait before the same is sent again. */
  readonly retryAfter: number

  constructor(reason: string, { retryAfter = 1, cause }: { retryAfter?: number; cause?: unknown } = {}) {
    super(reason, cause === undefined ? undefined : { cause })
    this.retryAfter = retryAfter
  }
}
