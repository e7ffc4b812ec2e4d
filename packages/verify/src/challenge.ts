import type { RefusalCode } from './errors.ts'

/** What the resource wants and the token does not have. */
export interface Challenge {
  readonly scope?: string
  readonly acr_values?: string
  readonly max_age?: number
}

const REALM = 'Bearer realm="latchkey"'

const ERRORS: Record<RefusalCode, string | null> = {
  no_token: null,
  token_invalid: 'invalid_token',
  token_expired: 'invalid_token',
  token_revoked: 'invalid_token',
  step_up_required: 'insufficient_user_authentication',
  insufficient: 'insufficient_scope',
}

/** The value of WWW-Authenticate: RFC 6750 section 3, with no `error` where no token was sent, and RFC 9470 section 3. */
export function challengeOf(code: RefusalCode, wanted: Challenge): string {
  const error = ERRORS[code]
  if (error === null) return REALM
  const members = Object.entries({ error, ...wanted }).map(([name, value]) => `${name}="${value}"`)
  return [REALM, ...members].join(', ')
}
