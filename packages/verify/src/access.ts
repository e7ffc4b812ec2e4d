/** Whom a verified access token lets in, and as what. */
export interface Access {
  /** The person, or the machine (a client of client_credentials); never used again for another. */
  readonly sub: string
  /** The session; undefined: it is a machine. */
  readonly sid: string | undefined
  /** The token. */
  readonly jti: string
  /** What the operator lets the person do. */
  readonly roles: readonly string[]
  /** The level of assurance, `aal1` or `aal2`; undefined: it is a machine. */
  readonly acr: string | undefined
  /** When the person last proved who they are, in seconds since the epoch; undefined: it is a machine. */
  readonly authTime: number | undefined
  /** How they did, RFC 8176. */
  readonly amr: readonly string[]
  /** What a machine's token is for. */
  readonly scope: readonly string[]
  /** Every claim, as it stands in the token. */
  readonly claims: Claims
}

/** The claims of an access token, RFC 9068 section 2.2. */
export interface Claims {
  readonly iss: string
  readonly aud: string | readonly string[]
  readonly client_id: string
  readonly iat: number
  readonly exp: number
  readonly [name: string]: unknown
}

const TEXTS = ['iss', 'client_id', 'sub', 'jti']
const NUMBERS = ['iat', 'exp']
/** What only a person's token has, and must have. */
const OF_A_PERSON = { texts: ['sid', 'acr'], numbers: ['gen', 'rtc', 'auth_time'] }

/**
 * Reads the claims of a token whose signature has been checked; null: one is missing or of the wrong type. `nbf` is never issued.
 */
export function readAccess(payload: unknown): Access | null {
  if (!isObject(payload) || 'nbf' in payload || !hasTypes(payload, TEXTS, NUMBERS) || !isAudience(payload['aud']))
    return null
  const isMachine = !('sid' in payload)
  if (isMachine ? payload['sub'] !== payload['client_id'] : !isOfAPerson(payload)) return null
  const { roles = [], scope = '', amr = [], email_verified: verified = true, app = {} } = payload
  if (!areTexts(roles) || !areTexts(amr) || typeof scope !== 'string' || verified !== true || !isObject(app))
    return null
  return frozen({
    sub: payload['sub'] as string,
    sid: payload['sid'] as string | undefined,
    jti: payload['jti'] as string,
    roles,
    acr: payload['acr'] as string | undefined,
    authTime: payload['auth_time'] as number | undefined,
    amr,
    scope: scope.split(' ').filter(Boolean),
    claims: payload as Claims,
  })
}

/** Whether the token is of this issuer and for this audience, RFC 9068 section 4. */
export function isFor({ claims: { iss, aud } }: Access, issuer: string, audience: string): boolean {
  return iss === issuer && [aud].flat().includes(audience)
}

/** For how many ms after its `exp` a token is still accepted, against skewed clocks: as long as Latchkey accepts it. */
const LEEWAY_MS = 10_000

/** Whether the token has expired at `now` (ms since the epoch). */
export function isExpired({ claims: { exp } }: Access, now: number): boolean {
  return now >= exp * 1000 + LEEWAY_MS
}

function isOfAPerson(payload: Record<string, unknown>): boolean {
  return hasTypes(payload, OF_A_PERSON.texts, OF_A_PERSON.numbers) && Array.isArray(payload['amr'])
}

function hasTypes(payload: Record<string, unknown>, texts: string[], numbers: string[]): boolean {
  const areNumbers = numbers.every((name) => Number.isSafeInteger(payload[name]))
  return areNumbers && texts.every((name) => typeof payload[name] === 'string')
}

function isAudience(aud: unknown): boolean {
  return typeof aud === 'string' || areTexts(aud)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

/** Freezes it to the last member: the cache hands it to many requests. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(frozen)
  return Object.freeze(value)
}
