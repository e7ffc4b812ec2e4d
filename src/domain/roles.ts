import { type AccessClaims, isFresh } from './access-token.ts'
import type { JsonObject } from './merge-patch.ts'

/** The most roles that a user may have. */
export const MAX_ROLES = 50
/** The most bytes of what the operator tells services about a user, as JSON. */
const MAX_APP_BYTES = 1024

/** Whether this is more than services can be told about a user: every token has it. */
export function isTooLarge(app: JsonObject): boolean {
  return Buffer.byteLength(JSON.stringify(app)) > MAX_APP_BYTES
}

const ROLE = /^[\w.:-]{1,64}$/

/** Whether a text can name a role: 1 to 64 of the letters, digits and `_ - . :`. */
export function isRole(text: string): boolean {
  return ROLE.test(text)
}

/** What a gateway demands of a live token, beyond that it is live. */
export interface Demand {
  /** All of them. */
  readonly roles: readonly string[]
  /** The least level of assurance; absent: any. */
  readonly acr?: string | undefined
  /** For how many seconds at most the person may have proved who they are; absent: for however long. */
  readonly maxAge?: number | undefined
}

/** What a token says of whom a demand is about; nothing of it where it is not of a person. */
type Bearer = Partial<Pick<AccessClaims, 'roles' | 'acr' | 'auth_time'>>

/** Whether a token with these claims meets the demand at `now` (ms since the epoch). */
export function meets({ roles = [], acr, auth_time }: Bearer, demand: Demand, now: number): boolean {
  const hasRoles = demand.roles.every((role) => roles.includes(role))
  const isAssured = demand.acr === undefined || acr === demand.acr || (acr === 'aal2' && demand.acr === 'aal1')
  const isRecent =
    demand.maxAge === undefined || (auth_time !== undefined && isFresh({ auth_time }, now, demand.maxAge * 1000))
  return hasRoles && isAssured && isRecent
}
