import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { type Factors, type Passkey, withFactors } from '../../domain/factors.ts'
import type { User } from '../../domain/user.ts'
import { carryOut } from '../deed.ts'
import type { Credential, Proof } from './credential.ts'
import { uncounted } from './factor-guesses.ts'
import { type AuthenticationResponseJSON, type Assertion, verifyAssertion } from './webauthn.ts'

/** A challenge, as it was given out, and its id. */
export interface Given {
  readonly text: string
  readonly id: string
}

/** What a passkey has signed: an assertion, WebAuthn level 3 section 7.2. It answers its challenge once. */
export function passkey(deps: Deps, given: Given, response: AuthenticationResponseJSON, caller: Caller): Credential {
  return {
    kind: 'passkey',
    async judge(user) {
      const known = user.factors?.passkeys.find(({ credentialId }) => credentialId === response.id)
      if (!user.factors || !known || !isOf(user, response)) return null
      const assertion = await verifyAssertion(deps, known, given.text, response)
      return assertion && prove(deps, user, user.factors, { known, assertion }, caller)
    },
    guesses: (user, sessionId) => uncounted(deps, { user, sessionId }, caller),
    shown: `passkey ${response.id} ${response.response.signature}`,
    answers: given.id,
  }
}

/** The user that an assertion names, WebAuthn level 3 section 5.4.3; null: none. */
export function userNamedBy({ response: { userHandle } }: AuthenticationResponseJSON): string | null {
  return userHandle ? Buffer.from(userHandle, 'base64url').toString('utf8') : null
}

/** An authenticator that was told which passkeys may answer need not name the user. */
function isOf(user: User, response: AuthenticationResponseJSON): boolean {
  return (userNamedBy(response) ?? user.id) === user.id
}

interface Used {
  readonly known: Passkey
  readonly assertion: Assertion
}

/**
 * A passkey that counts uses must count on, WebAuthn level 3 section 6.1.1. One that does not may have been copied: if it is bound to
 * one device it is refused; if not, its counter is no proof, and this is told only.
 */
async function prove(deps: Deps, user: User, factors: Factors, used: Used, caller: Caller): Promise<Proof | null> {
  const { known, assertion } = used
  const { counter, isBackedUp } = assertion
  const hasFallen = (counter > 0 || known.counter > 0) && counter <= known.counter
  const refused = hasFallen && !known.isSynced
  const fell = { event: 'passkey.counter_fell', user_id: user.id, passkey_id: known.id, refused } as const
  if (refused) return (await carryOut(deps, { checks: [], puts: [], deletes: [], events: [fell] }, caller), null)
  const next = { ...known, counter, isBackedUp, lastUsedAt: deps.clock() }
  const passkeys = factors.passkeys.map((each) => (each === known ? next : each))
  return {
    amr: ['pop', 'mfa'],
    user: withFactors(user, { ...factors, passkeys }),
    events: hasFallen ? [fell] : [],
    mails: [],
  }
}
