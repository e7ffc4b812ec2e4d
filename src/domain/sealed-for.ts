import { type AuthKeys, decrypt, encrypt, isEncryptedByOldKey } from './auth-secret.ts'
import type { Factors } from './factors.ts'

// What the record of a user holds sealed under AUTH_SECRET: the user's id is part of the seal, so that a record moved to another user
// opens nothing.

/** What is sealed: the secret of an authenticator app, or the key of the HMACs of recovery codes. */
export type Sealed = 'totp' | 'recovery codes'

/** Seals bytes for a user. */
export function sealFor(keys: AuthKeys, userId: string, what: Sealed, bytes: Buffer): string {
  return encrypt(keys, bytes.toString('base64url'), `${what}\0${userId}`)
}

/** The bytes that were sealed; null: they are another user's, or the AUTH_SECRET that sealed them has left the list. */
export function unsealFor(keys: AuthKeys, userId: string, what: Sealed, sealed: string): Buffer | null {
  const text = decrypt(keys, sealed, `${what}\0${userId}`)
  return text === null ? null : Buffer.from(text, 'base64url')
}

/** The factors, sealed under the first AUTH_SECRET of the list: an older one can leave it after the next login. */
export function sealedAnew(keys: AuthKeys, userId: string, factors: Factors): Factors {
  const anew = (what: Sealed, sealed: string) => {
    const bytes = isEncryptedByOldKey(keys, sealed) ? unsealFor(keys, userId, what, sealed) : null
    return bytes === null ? sealed : sealFor(keys, userId, what, bytes)
  }
  const { totp, recoveryCodes } = factors
  return {
    ...factors,
    ...(totp && { totp: { ...totp, sealed: anew('totp', totp.sealed) } }),
    recoveryCodes: { ...recoveryCodes, sealed: anew('recovery codes', recoveryCodes.sealed) },
  }
}
