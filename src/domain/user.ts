import type { Email } from './email.ts'
import type { Factors } from './factors.ts'
import type { JsonObject } from './merge-patch.ts'
import { UNUSABLE } from './password.ts'

/**
 * An account. Times are ms since the epoch. `sessions` lists session ids; those of ended sessions are removed when the list is
 * full.
 */
export interface User {
  readonly id: string
  readonly email: string
  readonly emailKey: string
  /** Whether the owner has shown that mail to the address arrives. */
  readonly emailVerified: boolean
  /** The language of the last mail that the owner has used; absent: none is known. */
  readonly locale?: string
  readonly passwordHash: string
  /** The second factors of the owner; absent: there is none, and the password lets in. */
  readonly factors?: Factors
  readonly createdAt: number
  /** When the owner last logged in; absent: never since the registration. */
  readonly lastLoginAt?: number
  /** Since when the operator lets nobody in, and why; absent: the account is open. */
  readonly disabled?: { readonly at: number; readonly reason?: string }
  readonly generation: number
  /** What the operator lets the owner do, and tells services about the owner: both are in every token. */
  readonly roles: readonly string[]
  readonly app: JsonObject
  readonly sessions: readonly string[]
  readonly knownAddresses: readonly KnownAddress[]
}

/** A network from which the owner has registered or logged in: failed logins from elsewhere do not lock it out. */
export interface KnownAddress {
  readonly address: string
  readonly seenAt: number
}

/** An account that nobody has logged in to, and whose password is not set yet. */
export function newUser(id: string, email: Email, createdAt: number): User {
  return {
    id,
    email: email.address,
    emailKey: email.key,
    emailVerified: false,
    passwordHash: UNUSABLE,
    createdAt,
    generation: 0,
    roles: [],
    app: {},
    sessions: [],
    knownAddresses: [],
  }
}

/** The longest id of a user. */
export const MAX_ID_LENGTH = 64

/** Whether a text can be the id of a user: 1 to 64 of the letters, digits and `_ -`. */
export function isUserId(text: string): boolean {
  return /^[\w-]+$/.test(text) && text.length <= MAX_ID_LENGTH
}
