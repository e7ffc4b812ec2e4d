import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { openChallenge, sealChallenge } from '../../domain/challenge.ts'
import { isUserId } from '../../domain/user.ts'
import type { SessionWish } from '../sessions/open.ts'
import { type Answer, answerChallenge } from './open-proven.ts'
import { passkey, userNamedBy } from './passkey.ts'
import {
  type AuthenticationResponseJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  requestOptions,
} from './webauthn.ts'

// A login by a passkey, without a password: it proves two factors at once, and says itself whose it is.

/** A challenge, and what a browser is given to ask for a passkey that answers it. */
export interface PasskeyOptions {
  readonly challenge: string
  readonly publicKey: PublicKeyCredentialRequestOptionsJSON
}

/** Asks for any passkey. No I/O. */
export async function askForPasskey(deps: Deps): Promise<PasskeyOptions> {
  const challenge = sealChallenge(deps.authKeys, 'passkey login', {}, deps.clock())
  return { challenge, publicKey: await requestOptions(deps, challenge) }
}

/** Logs in by a passkey. `dead`: the challenge is none, or has expired. */
export async function logInByPasskey(
  deps: Deps,
  { challenge: text, response }: { readonly challenge: string; readonly response: AuthenticationResponseJSON },
  wish: SessionWish,
  caller: Caller,
): Promise<Answer> {
  const challenge = openChallenge(deps.authKeys, 'passkey login', text, deps.moment())
  if (challenge === null) return { kind: 'dead' }
  const userId = userNamedBy(response)
  if (userId === null || !isUserId(userId)) return refuseUnknown(deps, caller)
  const asked = { challengeId: challenge.id, userId, proven: [], isStill: () => true }
  const credential = passkey(deps, { text, id: challenge.id }, response, caller)
  const answer = await answerChallenge(deps, asked, credential, wish, caller)
  if (answer.kind === 'disabled') deps.record({ event: 'login.failed', user_id: userId, cause: 'disabled' }, caller)
  return answer.kind === 'dead' ? refuseUnknown(deps, caller) : answer
}

function refuseUnknown({ record }: Deps, caller: Caller): Answer {
  record({ event: 'login.failed', user_id: null, cause: 'unknown_account' }, caller)
  return { kind: 'wrong' }
}
