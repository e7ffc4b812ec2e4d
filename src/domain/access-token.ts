import { acrOf, type AuthMethod } from './auth-methods.ts'
import type { JsonObject } from './merge-patch.ts'
import { LEEWAY_MS } from './revocation.ts'
import type { SessionName } from './session.ts'

/** The claims of an access token, RFC 9068 section 2.2, and no others. Times are seconds since the epoch. */
export interface AccessClaims {
  readonly iss: string
  readonly aud: string
  readonly sub: string
  readonly client_id: string
  readonly iat: number
  readonly exp: number
  readonly jti: string
  /** The session. */
  readonly sid: string
  /** The user's generation when the token was issued: below the generation of now the token is dead. */
  readonly gen: number
  /** The session's rotation counter when the token was issued: a token that comes back confirms that rotation. */
  readonly rtc: number
  /** When the person last proved who they are in this session. */
  readonly auth_time: number
  /** What the person proved, RFC 8176, and the level of assurance that it reaches. */
  readonly amr: readonly string[]
  readonly acr: string
  /** Whether mail to the person's address is known to arrive; absent: it is not. */
  readonly email_verified?: true
  /** What the operator lets the person do, RFC 9068 section 2.2.3.1; absent: nothing. */
  readonly roles?: readonly string[]
  /** What the operator tells services about the person; absent: nothing. */
  readonly app?: JsonObject
}

/** Who issues tokens, and for whom: the claims that are the same in every token of this service. */
export interface Issuer {
  readonly iss: string
  readonly aud: string
  readonly client_id: string
}

/** What one token is about: a session of a user, at one of its rotations. `authAt` is ms since the epoch. */
export interface Subject {
  readonly userId: string
  readonly sessionId: string
  readonly generation: number
  readonly counter: number
  readonly authAt: number
  readonly amr: readonly AuthMethod[]
  readonly emailVerified: boolean
  readonly roles: readonly string[]
  readonly app: JsonObject
}

/**
 * When a token begins, and for how many ms it lives at most. `spread`, in [0, 1), takes up to 5 % off that, so that a fleet of clients
 * does not refresh in step.
 */
export interface Life {
  readonly now: number
  readonly ttlMs: number
  readonly spread: number
  readonly jti: string
}

/** The claims that say how long a token lives, and its name. */
export function lifeOf({ now, ttlMs, spread, jti }: Life): Pick<AccessClaims, 'iat' | 'exp' | 'jti'> {
  const iat = Math.floor(now / 1000)
  return { iat, exp: iat + Math.max(1, Math.floor((ttlMs * (1 - 0.05 * spread)) / 1000)), jti }
}

/** Makes the claims of a token. */
export function makeClaims(issuer: Issuer, subject: Subject, life: Life): AccessClaims {
  return {
    iss: issuer.iss,
    aud: issuer.aud,
    client_id: issuer.client_id,
    sub: subject.userId,
    ...lifeOf(life),
    sid: subject.sessionId,
    gen: subject.generation,
    rtc: subject.counter,
    auth_time: Math.floor(subject.authAt / 1000),
    amr: subject.amr,
    acr: acrOf(subject.amr),
    ...(subject.emailVerified ? { email_verified: true } : {}),
    ...(subject.roles.length > 0 ? { roles: subject.roles } : {}),
    ...(Object.keys(subject.app).length > 0 ? { app: subject.app } : {}),
  }
}

const TEXTS = ['iss', 'aud', 'client_id', 'sub', 'jti', 'sid', 'acr'] as const
const NUMBERS = ['iat', 'exp', 'gen', 'rtc', 'auth_time'] as const

/**
 * Reads the payload of a token whose signature has been checked; null if a claim is missing or of the wrong type. Whether the
 * token has expired is not checked. An `iat` in the future is accepted: the instance that issued the token may have a clock ahead.
 */
export function readClaims(payload: unknown): AccessClaims | null {
  if (typeof payload !== 'object' || payload === null) return null
  const claims = payload as Record<string, unknown>
  if (!TEXTS.every((name) => typeof claims[name] === 'string')) return null
  if (!NUMBERS.every((name) => Number.isSafeInteger(claims[name]))) return null
  if ('nbf' in claims || !Array.isArray(claims['amr'])) return null
  return areUserClaims(claims) ? (claims as unknown as AccessClaims) : null
}

/** Whether what the claims say of the user, if anything, is of the right type. */
function areUserClaims({ email_verified = true, roles = [], app = {} }: Record<string, unknown>): boolean {
  const areRoles = Array.isArray(roles) && roles.every((role) => typeof role === 'string')
  return email_verified === true && areRoles && typeof app === 'object' && app !== null && !Array.isArray(app)
}

/** Names the session that the token belongs to. */
export function sessionOf({ sub, sid }: Pick<AccessClaims, 'sub' | 'sid'>): SessionName {
  return { userId: sub, sessionId: sid }
}

/** Whether the claims name this issuer, this audience and this client. */
export function isIssuedAs(claims: Issuer, { iss, aud, client_id }: Issuer): boolean {
  return claims.iss === iss && claims.aud === aud && claims.client_id === client_id
}

/**
 * Whether the token has expired, LEEWAY_MS included. A token that was issued under a longer ACCESS_TTL lives no longer than
 * one issued now (`ttlMs`): the denylist remembers for no longer.
 */
export function isExpired({ iat, exp }: Pick<AccessClaims, 'iat' | 'exp'>, now: number, ttlMs: number): boolean {
  return now >= Math.min(exp * 1000, iat * 1000 + ttlMs) + LEEWAY_MS
}

/** Whether the person has proved who they are within `ageMs`, by the token: a stolen token of an old login is not fresh. */
export function isFresh({ auth_time }: Pick<AccessClaims, 'auth_time'>, now: number, ageMs: number): boolean {
  return now - auth_time * 1000 <= ageMs
}

/** Whether the text has the only legal form of a signed JWT: three base64url parts without padding, RFC 7515 section 7.1. */
export function isCompactJws(text: string): boolean {
  return text.length <= MAX_TOKEN_LENGTH && COMPACT_JWS.test(text)
}

/** Enough for the most roles, the largest `app` and the longest names of an issuer. */
const MAX_TOKEN_LENGTH = 8192
const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/
