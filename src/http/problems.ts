// Every refusal of the service: RFC 9457 problem details, with a closed list of codes.

/** The status and the title of each code. */
const PROBLEMS = {
  bad_request: [400, 'The request is malformed.'],
  code_invalid: [400, 'The code, the link or the challenge is wrong, or has been used: ask for another one.'],
  bad_credentials: [401, 'The e-mail address, the password or the second factor is wrong.'],
  no_token: [401, 'A token is needed.'],
  token_invalid: [401, 'The token is not one of ours.'],
  token_expired: [401, 'The access token has expired: refresh it.'],
  token_revoked: [401, 'The token has been revoked.'],
  second_factor_required: [401, 'The password is right: prove a second factor.'],
  session_over: [401, 'The session is over: log in again.'],
  cross_site: [403, 'Requests with the cookie must come from an allowed origin.'],
  step_up_required: [403, 'Prove again who you are.'],
  account_disabled: [403, 'This account has been disabled.'],
  insufficient: [403, 'The token is live, and is not enough for this.'],
  wrong_password: [403, 'The current password, or the second factor, is wrong.'],
  not_found: [404, 'There is nothing here.'],
  method_not_allowed: [405, 'This resource does not have that method.'],
  email_taken: [409, 'There is an account with this e-mail address.'],
  last_factor: [409, 'This is the last second factor, and one is required: add another one before.'],
  id_taken: [409, 'There is an account with this id, and another e-mail address.'],
  precondition_failed: [412, 'Somebody else has changed it since you read it.'],
  too_large: [413, 'This is more than the service takes.'],
  unsupported_media_type: [415, 'Send JSON, and say so in Content-Type.'],
  password_unacceptable: [422, 'Choose another password.'],
  hash_unacceptable: [422, 'This password hash has no form that is taken, or costs too much to verify.'],
  too_many_requests: [429, 'Too many requests: wait, then try again.'],
  headers_too_large: [431, 'The request headers are too large.'],
  request_timeout: [408, 'The request did not arrive in time.'],
  internal: [500, 'Something went wrong on our side; nothing was changed that was not answered.'],
  store_unavailable: [503, 'The service cannot know right now: try again.'],
  busy: [503, 'The service is busy: try again.'],
} as const satisfies Record<string, readonly [number, string]>

/** The code of a problem, for programs. */
export type ProblemCode = keyof typeof PROBLEMS
export const PROBLEM_CODES = Object.keys(PROBLEMS) as readonly ProblemCode[]

/** What a problem says besides its code. */
export interface ProblemDetails {
  /** What is wrong this time, for people; never a value that was sent. */
  readonly detail?: string
  /** The fields at fault, or the password rules that are broken. */
  readonly errors?: readonly { readonly path?: string; readonly rule?: string; readonly message: string }[]
  /** Why the session is over. */
  readonly reason?: string
  /** How many seconds ago the person may have proved who they are, and the second factors that would do. */
  readonly maxAge?: number
  readonly factors?: readonly string[]
  /** What the second step of a login brings back, and what a browser is given to ask for a passkey. */
  readonly challenge?: string
  readonly publicKey?: object
  /** Seconds to wait; in the header Retry-After only. */
  readonly retryAfter?: number
  /** The methods of the resource; in the header Allow only. */
  readonly allow?: readonly string[]
  /** The content codings that a body may have; in the header Accept-Encoding only. */
  readonly acceptEncoding?: string
}

const PATH_LENGTH = 64

/** What is wrong with a field. The client chose the names in the path, so the path is cut to PATH_LENGTH. */
export function fieldFault(path: string, message: string): { readonly path: string; readonly message: string } {
  return { path: path.slice(0, PATH_LENGTH), message }
}

/** A refusal: thrown anywhere in http/, answered by plugins/errors.ts. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly details: ProblemDetails

  constructor(code: ProblemCode, details: ProblemDetails = {}) {
    super(code)
    this.code = code
    this.details = details
  }
}

/** The HTTP status of a code. */
export function statusOf(code: ProblemCode): number {
  return PROBLEMS[code][0]
}

/** The JSON document of a problem, RFC 9457 section 3. */
export function problemDocument({ code, details }: Problem) {
  const { detail, errors, reason, maxAge, factors, challenge, publicKey } = details
  const [status, title] = PROBLEMS[code]
  return {
    type: `urn:problem-type:latchkey:${code}`,
    title,
    status,
    code,
    ...(detail === undefined ? {} : { detail }),
    ...(errors === undefined ? {} : { errors }),
    ...(reason === undefined ? {} : { reason }),
    ...(maxAge === undefined ? {} : { max_age: maxAge }),
    ...(factors === undefined ? {} : { factors }),
    ...(challenge === undefined ? {} : { challenge }),
    ...(publicKey === undefined ? {} : { public_key: publicKey }),
  }
}

const CHALLENGE = 'Bearer realm="latchkey"'
const WITHOUT_TOKEN = new Set<ProblemCode>(['no_token', 'bad_credentials', 'second_factor_required'])

/** The value of WWW-Authenticate, RFC 6750 section 3; null: the code is no 401. It has no `error` if no token was sent. */
export function challengeOf(code: ProblemCode): string | null {
  if (statusOf(code) !== 401) return null
  return WITHOUT_TOKEN.has(code) ? CHALLENGE : `${CHALLENGE}, error="invalid_token"`
}
