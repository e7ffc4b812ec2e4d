import type { User } from './user.ts'

// The second factors of an account, a part of the record of its user: an authenticator app, passkeys, and recovery codes for whoever
// has lost them. Times are ms since the epoch.

export const FACTORS = ['totp', 'recovery_code', 'passkey'] as const
export type Factor = (typeof FACTORS)[number]

/** What a person has enrolled. Recovery codes come with the first of the others and go with the last: alone they are no factor. */
export interface Factors {
  readonly totp?: Totp
  readonly passkeys: readonly Passkey[]
  readonly recoveryCodes: RecoveryCodes
}

/** An authenticator app, RFC 6238. */
export interface Totp {
  /** Its secret, sealed under AUTH_SECRET (see sealed-for.ts). */
  readonly sealed: string
  /** The step of the last code that was taken. It never falls: no code of it, or of a step before, is taken. */
  readonly lastStep: number
}

/** A passkey: a discoverable credential of WebAuthn level 3 that verifies its user. */
export interface Passkey {
  readonly id: string
  readonly name: string
  /** The id that the authenticator gave it, and its public key, a COSE key; both in base64url. */
  readonly credentialId: string
  readonly publicKey: string
  readonly counter: number
  readonly transports: readonly string[]
  /** Whether it may be on several devices: then its counter is no proof of a copy. */
  readonly isSynced: boolean
  readonly isBackedUp: boolean
  readonly createdAt: number
  readonly lastUsedAt?: number
}

/** How many passkeys a person may have. */
export const MAX_PASSKEYS = 20

/** Ten codes, each good once. */
export interface RecoveryCodes {
  /** The key of the HMACs, sealed under AUTH_SECRET: so the codes outlive a rotation of AUTH_SECRET. */
  readonly sealed: string
  /** The HMACs of the codes that are left. */
  readonly left: readonly string[]
  /** Digests of the latest requests for codes, the one that made these first. */
  readonly requests: readonly string[]
}

/** The factors that a person can prove now, for the answer that asks for one. */
export function provable(factors: Factors | undefined): Factor[] {
  if (factors === undefined) return []
  const { totp, passkeys, recoveryCodes } = factors
  const has = { totp: totp !== undefined, recovery_code: recoveryCodes.left.length > 0, passkey: passkeys.length > 0 }
  return FACTORS.filter((factor) => has[factor])
}

/** Whether nothing but recovery codes is left. */
export function isLast({ totp, passkeys }: Factors): boolean {
  return totp === undefined && passkeys.length === 0
}

/** The user with these factors; null, or nothing but recovery codes: with none. */
export function withFactors(user: User, factors: Factors | null): User {
  if (factors !== null && !isLast(factors)) return { ...user, factors }
  const { factors: _, ...without } = user
  return without
}
