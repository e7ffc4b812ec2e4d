import type { Deps } from '../../deps.ts'
import { digestShown, wasShown } from '../../domain/answered.ts'
import { withMethods } from '../../domain/auth-methods.ts'
import type { Caller } from '../../domain/caller.ts'
import { openChallenge, sealChallenge } from '../../domain/challenge.ts'
import { provable } from '../../domain/factors.ts'
import type { SessionName } from '../../domain/session.ts'
import { keys } from '../../store/keys.ts'
import { put, unchanged } from '../../store/store.ts'
import { carryOut, vouchFor } from '../deed.ts'
import { StepUpRequired } from '../errors.ts'
import { putAnswered } from '../sessions/open.ts'
import { bearerOf, type OwnSession, readOwnSession } from '../sessions/read.ts'
import { putSession } from '../sessions/session-writes.ts'
import type { Bearer } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import type { Credential, Proof } from './credential.ts'
import type { Given } from './passkey.ts'
import type { PasskeyOptions } from './passkey-login.ts'
import { requestOptions } from './webauthn.ts'

// Step-up: whoever is logged in proves once more who they are, before what matters.

/** What a step-up comes to: the session, proven anew, or why not. */
export type SteppedUp = ({ readonly kind: 'ok' } & Bearer) | { readonly kind: 'wrong' } | { readonly kind: 'over' }

/** Asks the person of a session for any of their passkeys. No I/O. */
export async function askForStepUp(deps: Deps, { userId, sessionId }: SessionName): Promise<PasskeyOptions> {
  const challenge = sealChallenge(deps.authKeys, 'step-up', { userId, sessionId }, deps.clock())
  return { challenge, publicKey: await requestOptions(deps, challenge) }
}

/** Reads a challenge that `askForStepUp` has made for this session; null: it is none, or has expired. No I/O. */
export function readStepUpChallenge({ authKeys, moment }: Deps, self: SessionName, text: string): Given | null {
  const challenge = openChallenge(authKeys, 'step-up', text, moment())
  const isOwn = challenge?.userId === self.userId && challenge.sessionId === self.sessionId
  return isOwn ? { text, id: challenge.id } : null
}

/**
 * Proves that the caller is still the person who logged in: the session's `authAt` is now, and it has proven this credential, too. The
 * same again (the answer was lost) is answered the same. Throws TooMany after too many wrong ones, and StepUpRequired at a password alone
 * of somebody who has a second factor.
 */
export async function stepUp(
  deps: Deps,
  self: SessionName,
  credential: Credential,
  caller: Caller,
): Promise<SteppedUp> {
  const { shown, answers } = credential
  const place = keys.answered(self.userId, answers ?? `step-up ${self.sessionId}`) // a challenge is of this session, too
  return untilWon(async () => {
    const [own, answered] = await Promise.all([readOwnSession(deps, self), shown ? deps.store.get(place) : null])
    if (own === null) return { kind: 'over' }
    const { factors } = own.user.value
    if (credential.kind === 'password' && factors) throw new StepUpRequired(deps.config.STEP_UP_AGE, provable(factors))
    const isRepeat = answered !== null && wasShown(deps.authKeys, self.userId, answered.value, shown ?? '')
    const { guard, fail } = credential.guesses(own.user.value, self.sessionId)
    await guard() // also before a repeat: a thief of the token guesses at that code, too
    const isSpent = answered !== null && answers !== undefined
    const proof = isRepeat ? 'repeat' : isSpent ? null : await credential.judge(own.user.value)
    if (proof === null) return fail<SteppedUp>({ kind: 'wrong' })
    await guard()
    if (proof === 'repeat') return (await vouchFor(deps, own.user)) ? { kind: 'ok', ...bearerOf(own) } : null
    const remembered = shown === undefined ? null : { place: unchanged(place, answered), shown }
    const bearer = await commitProof(deps, own, proof, remembered, caller)
    return bearer && { kind: 'ok', ...bearer }
  })
}

async function commitProof(
  deps: Deps,
  { user, session: { value: before, ...check } }: OwnSession,
  { amr, user: proven, events, mails }: Proof,
  remembered: { readonly place: ReturnType<typeof unchanged>; readonly shown: string } | null,
  caller: Caller,
): Promise<Bearer | null> {
  const session = { ...before, amr: withMethods(before.amr, amr), authAt: deps.clock() }
  const { userId, id: sessionId } = session
  const answered = remembered && { sessionId, shown: digestShown(deps.authKeys, userId, remembered.shown) }
  const deed = {
    checks: [user, check, ...(remembered ? [remembered.place] : [])],
    puts: [
      putSession(session),
      ...(proven === user.value ? [] : [put(keys.user(userId), proven, null)]),
      ...(remembered && answered ? [putAnswered(deps, remembered.place.key, answered)] : []),
    ],
    deletes: [],
    events,
    mails,
  }
  return (await carryOut(deps, deed, caller)) ? { session, user: proven } : null
}
