import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { type Challenge, openChallenge, sealChallenge } from '../../domain/challenge.ts'
import { type Factor, provable } from '../../domain/factors.ts'
import type { User } from '../../domain/user.ts'
import type { SessionWish } from '../sessions/open.ts'
import type { Credential } from './credential.ts'
import { type Answer, answerChallenge } from './open-proven.ts'
import { type PublicKeyCredentialRequestOptionsJSON, requestOptions } from './webauthn.ts'

// A login in two steps: a right password of somebody with a second factor gives a challenge, and the factor that answers it a session.

/** What the first step hands out. */
export interface SecondStep {
  readonly challenge: string
  readonly factors: readonly Factor[]
  /** What a browser is given to ask for a passkey; absent: the person has none. */
  readonly publicKey?: PublicKeyCredentialRequestOptionsJSON
}

/** Asks for a second factor. Nothing is stored: all that the second step must know is sealed in the challenge. */
export async function askForSecondFactor(deps: Deps, user: User, wish: SessionWish): Promise<SecondStep> {
  const { transport, remember } = wish
  const sealed = { userId: user.id, generation: user.generation, transport, remember }
  const challenge = sealChallenge(deps.authKeys, 'login', sealed, deps.clock())
  const passkeys = user.factors?.passkeys ?? []
  return {
    challenge,
    factors: provable(user.factors),
    ...(passkeys.length > 0 && { publicKey: await requestOptions(deps, challenge, passkeys) }),
  }
}

/** Reads the challenge of a login; null: it is none, or has expired. No I/O. */
export function readLoginChallenge({ authKeys, moment }: Deps, text: string): Challenge<'login'> | null {
  return openChallenge(authKeys, 'login', text, moment())
}

/**
 * Answers the challenge of a login. It is dead after whatever begins a new generation of the user: a change of the password, disabling,
 * a logout of all.
 */
export async function finishLogin(
  deps: Deps,
  { id: challengeId, userId, generation, transport, remember }: Challenge<'login'>,
  credential: Credential,
  replaces: string | undefined,
  caller: Caller,
): Promise<Answer> {
  const isStill = (user: User) => user.generation === generation && !user.disabled
  const asked = { challengeId, userId, proven: ['pwd'] as const, isStill }
  return answerChallenge(deps, asked, credential, { transport, remember, replaces }, caller)
}
