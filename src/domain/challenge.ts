import { type AuthKeys, decrypt, encrypt } from './auth-secret.ts'
import { newId } from './id.ts'
import type { SessionName, Transport } from './session.ts'
import { type Moment, since } from './time.ts'

// A challenge: what the first step of a proof hands out and the second brings back. All that the second must know is sealed in it, so
// that nothing is stored between them.

/** For how many ms a challenge lives. */
export const CHALLENGE_MS = 10 * 60_000

/** What each kind of challenge seals. */
export interface Sealed {
  /** The password was right; the user's generation of then: after a change of the password the challenge is dead. */
  readonly login: {
    readonly userId: string
    readonly generation: number
    readonly transport: Transport
    readonly remember: boolean
  }
  /** Somebody wants to log in by a passkey. */
  readonly 'passkey login': object
  /** The person of a session wants to prove anew who they are, or to add a passkey. */
  readonly 'step-up': SessionName
  readonly registration: SessionName
}
export type Purpose = keyof Sealed

/** A challenge: its id is random, `at` is when it was made. */
export type Challenge<P extends Purpose> = Sealed[P] & { readonly id: string; readonly at: number }

/** Makes a challenge, as a text of at most 1 KiB. */
export function sealChallenge<P extends Purpose>(keys: AuthKeys, purpose: P, sealed: Sealed[P], now: number): string {
  return encrypt(keys, JSON.stringify({ ...sealed, id: newId(), at: now }), `challenge\0${purpose}`)
}

/** Reads a challenge; null: it is none of ours, of another purpose, or expired. No I/O. */
export function openChallenge<P extends Purpose>(
  keys: AuthKeys,
  purpose: P,
  text: string,
  moment: Moment,
): Challenge<P> | null {
  const opened = decrypt(keys, text, `challenge\0${purpose}`)
  if (opened === null) return null
  const challenge = JSON.parse(opened) as Challenge<P>
  return Math.abs(since(challenge.at, moment)) < CHALLENGE_MS ? challenge : null
}
