/** An account. Its sessions' ids are listed here; ended ones are weeded out when the list is full. */
export interface User {
  readonly id: string
  readonly email: string
  readonly emailKey: string
  readonly passwordHash: string
  readonly createdAt: number
  readonly generation: number
  readonly sessions: readonly string[]
  readonly knownAddresses: readonly KnownAddress[]
}

/** An address the owner has registered or logged in from: a stranger's failures elsewhere do not lock it out. */
export interface KnownAddress {
  readonly address: string
  readonly seenAt: number
}
