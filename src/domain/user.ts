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
  readonly createdAt: number
  readonly generation: number
  readonly sessions: readonly string[]
  readonly knownAddresses: readonly KnownAddress[]
}

/** A network from which the owner has registered or logged in: failed logins from elsewhere do not lock it out. */
export interface KnownAddress {
  readonly address: string
  readonly seenAt: number
}
