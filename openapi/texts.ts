import type { ProblemCode, ProblemDetails } from '../src/http/problems.ts'

// What the documents say that no route schema can say.

export const DESCRIPTION = `A JWT auth service: short-lived access tokens, rotating refresh tokens, instant revocation.

**Tokens.** Send the access token as \`Authorization: Bearer\`, and nowhere else: one in the query does not count. When it is refused
with 401, refresh once and try again; when the refresh is refused with 401, log in again. A refresh token is answered with the next one at
each use; when that answer is lost, show the same token again and get the same successor.

**Second factors.** A login of somebody who has one is two steps: a right password is 401 \`second_factor_required\` with a \`challenge\`, which
\`/v1/login/second-factor\` takes with a code or a passkey. What matters wants a *fresh* session: 403 \`step_up_required\` says for how long a
proof is good (\`max_age\`) and what can be proven (\`factors\`; none: the password will do); do that at \`/v1/step-up\`, then ask again with the
new token. Where the service requires a second factor (SECOND_FACTOR), each route behind an access token answers it to a session that has
proven none, but for \`/v1/me\`, \`/v1/factors\`, \`/v1/step-up\` and logout: there no step-up helps whose account has none (\`/v1/factors\` says so), enrol one.

**Transport.** With \`transport: "body"\` the refresh token is in the JSON. With \`transport: "cookie"\` it is in an HttpOnly cookie and
nowhere else, and each unsafe request that uses or asks for the cookie must be same-origin or come from an allowed \`Origin\`.

**Not everywhere.** Where the service sends no mail, all below \`/v1/email\` and \`/v1/password/forgot\` and \`/v1/password/reset\` are 404; where
registration is closed, \`/v1/register\` is.

**Conventions.** Names are snake_case, times RFC 3339 in UTC, durations whole seconds, ids opaque. Members a request does not have are refused, unknown
query parameters are ignored. A body is JSON in UTF-8 without a Content-Encoding; a number that could not be kept as it is, an integer beyond 2^53
that would come back as another, is refused: send it as a string. Every answer is \`Cache-Control: no-store\` unless it documents another.

**Errors.** Every 4xx and 5xx is \`application/problem+json\` (RFC 9457) with one of the codes below; treat one you do not know by its
status. \`/readyz\` and \`/readyz/own\` answer 503 in a form of their own, and what is below \`/oauth\` answers JSON of RFC 6749 (\`error\`). A path that is not here is 404, a method that a path does not have is 405 with \`Allow\`.`

/** The groups of operations, in the order they are shown. */
export const TAGS = {
  Accounts: 'Registering, logging in, and the account itself.',
  Sessions: 'A session is one login on one device: keeping it alive, ending it, seeing the others.',
  'Second factors': 'Authenticator apps, passkeys, recovery codes; logging in with one, and proving again who you are.',
  Data: 'JSON objects that follow a session, or a person to every device.',
  Tokens: 'For services and gateways that verify access tokens.',
  OAuth: 'For stock OAuth clients, and for programs that act for themselves. Errors are those of RFC 6749.',
  Health: 'For load balancers and orchestrators.',
  Docs: 'This contract, and a page to try it on.',
}

export const SECURITY_SCHEMES = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'The access token: a JWT of RFC 9068, alive for minutes.',
  },
  clientSecret: {
    type: 'http',
    scheme: 'basic',
    description: 'A client of the operator, by its id and one of its secrets: RFC 6749 section 2.3.1.',
  },
  cookie: {
    type: 'apiKey',
    in: 'cookie',
    name: '__Host-refresh_token',
    description:
      'The refresh token in cookie mode; named `__Secure-refresh_token` where the service has a COOKIE_DOMAIN.',
  },
}

const text = { type: 'string' }
const REFRESH_COOKIE = '__Host-refresh_token=AV2k9f0AhQ; Max-Age=1209600; Path=/; HttpOnly; Secure; SameSite=Strict'

/** Response headers by name. `required`: whenever the response is documented to have it. */
export const HEADERS: Record<string, object> = {
  'Accept-Encoding': {
    description: 'Where the body had a Content-Encoding: none is taken.',
    required: false,
    schema: { type: 'string', enum: ['identity'] },
    example: 'identity',
  },
  'Cache-Control': {
    description: 'How long anybody may keep the answer.',
    required: true,
    schema: text,
    example: 'public, max-age=300',
  },
  ETag: {
    description: 'The version of the object, for If-Match.',
    required: true,
    schema: text,
    example: '"RBNvo1WzZ4oRRq0W9-hknp"',
  },
  'Retry-After': {
    description: 'Seconds to wait before trying again.',
    required: true,
    schema: { type: 'integer', minimum: 1, maximum: 315_360_000 },
    example: 30,
  },
  'Set-Cookie': {
    description: 'In cookie mode only: the refresh token, or an empty cookie of the past that takes it back.',
    required: false,
    schema: text,
    example: REFRESH_COOKIE,
  },
  'WWW-Authenticate': {
    description: 'RFC 6750: without `error` when no token was sent. Of clients RFC 7617.',
    required: true,
    schema: {
      type: 'string',
      enum: ['Bearer realm="latchkey"', 'Bearer realm="latchkey", error="invalid_token"', 'Basic realm="latchkey"'],
    },
    example: 'Bearer realm="latchkey", error="invalid_token"',
  },
  'X-Auth-Acr': {
    description: 'The level of assurance that the login reached; empty: the token is of no person.',
    required: true,
    schema: { type: 'string', enum: ['aal1', 'aal2', ''] },
    example: 'aal1',
  },
  'X-Auth-Roles': {
    description: 'The roles of the user, comma-separated; empty: none.',
    required: true,
    schema: text,
    example: 'editor,billing:read',
  },
  'X-Auth-Session': {
    description: 'The id of the session; empty: the token is of no person.',
    required: true,
    schema: text,
    example: '9p7Xb2mVQ0a1cJtYw3kZ4A',
  },
  'X-Auth-Subject': {
    description: "The id of the user, or of the client that acts for itself: the token's `sub`.",
    required: true,
    schema: text,
    example: 'Jb3l0mTqRk6yHfX1sDwZ8g',
  },
  'X-Auth-Time': {
    description:
      'When the person last proved who they are, in seconds since the epoch; empty: the token is of no person.',
    required: true,
    schema: { type: 'string', pattern: String.raw`^\d{0,11}$` },
    example: '1769860800',
  },
}

export const IF_MATCH = {
  description:
    'RFC 9110: one or more entity tags, or `*`. A weak one (`W/"…"`, as a compressing proxy makes it) counts as the same one. ' +
    'Without it the patch is merged into whatever stands.',
  schema: text,
  example: '"RBNvo1WzZ4oRRq0W9-hknp"',
}

/** What the example of a problem tells besides its code. */
export const PROBLEM_DETAILS: Partial<Record<ProblemCode, ProblemDetails>> = {
  bad_request: { errors: [{ path: 'email', message: 'must be an e-mail address' }] },
  session_over: { reason: 'idle_timeout' },
  step_up_required: { maxAge: 300, factors: ['totp', 'recovery_code'] },
  second_factor_required: {
    challenge: 'AQ8m2xT…',
    factors: ['totp', 'recovery_code', 'passkey'],
    publicKey: { challenge: 'QVE4bTJ4VA', rpId: 'auth.example.org', userVerification: 'required', timeout: 600_000 },
  },
  password_unacceptable: { errors: [{ rule: 'too_short', message: 'Use at least 15 characters.' }] },
}
