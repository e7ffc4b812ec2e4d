import { type AuthKeys, isSame, prove } from './auth-secret.ts'

// What is remembered of a proof, so that a lost answer can be given again, and nothing is proven twice.

/** A proof that was taken. */
export interface Answered {
  /** The session that it opened, or in which it was shown. */
  readonly sessionId: string
  /** A digest of what was shown, which tells nothing of it. */
  readonly shown: string
  /** What the recovery codes of the answer are derived from; absent: there are none in it. */
  readonly seed?: string
}

/** An authenticator app that is about to be enrolled: its secret, sealed. */
export interface PendingTotp {
  readonly sealed: string
}

/** For how many ms an authenticator app may be about to be enrolled. */
export const PENDING_MS = 60 * 60_000
/** For how many ms a proof is remembered, which is longer than a challenge lives. */
export const ANSWERED_MS = 15 * 60_000

/** The digest of what somebody shows, under the key that is first now. */
export function digestShown([key]: AuthKeys, userId: string, shown: string): string {
  return prove(key, 'shown', userId, shown).subarray(0, 16).toString('base64url')
}

/** Whether this was shown before; under each key, because the first may be another by now. */
export function wasShown(keys: AuthKeys, userId: string, answered: Answered, shown: string): boolean {
  const before = Buffer.from(answered.shown)
  return keys.some((key) => isSame(Buffer.from(digestShown([key], userId, shown)), before))
}
