import type { Deps } from '../../deps.ts'
import { type AccessClaims, sessionOf } from '../../domain/access-token.ts'
import { type Answered, digestShown, wasShown } from '../../domain/answered.ts'
import type { Caller } from '../../domain/caller.ts'
import { openChallenge, sealChallenge } from '../../domain/challenge.ts'
import { MAX_PASSKEYS, type Passkey } from '../../domain/factors.ts'
import { newId } from '../../domain/id.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, unchanged } from '../../store/store.ts'
import { demandFresh } from '../credentials/fresh.ts'
import {
  challengeIn,
  creationOptions,
  type Made,
  type PublicKeyCredentialCreationOptionsJSON,
  type RegistrationResponseJSON,
  verifyRegistration,
} from '../credentials/webauthn.ts'
import { vouchFor } from '../deed.ts'
import { putAnswered } from '../sessions/open.ts'
import { bearerOf, type OwnSession, readOwnSession } from '../sessions/read.ts'
import type { Bearer } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import { commitEnrolment, newRecoveryCodes, repeatRecoveryCodes } from './enrol.ts'

/** What a browser is given to make a passkey; `full`: there are MAX_PASSKEYS, `over`: the session is over. */
export type PasskeyAsked =
  | { readonly kind: 'ok'; readonly publicKey: PublicKeyCredentialCreationOptionsJSON }
  | { readonly kind: 'full' | 'over' }

/** Asks the person of a session for a new passkey. Stores nothing: its challenge says whose it is. Throws StepUpRequired. */
export async function askForNewPasskey(deps: Deps, claims: AccessClaims): Promise<PasskeyAsked> {
  const own = await readOwnSession(deps, sessionOf(claims))
  if (own === null) return { kind: 'over' }
  demandFresh(deps, own.user.value, claims)
  if (isFull(own.user.value)) return { kind: 'full' }
  const challenge = sealChallenge(deps.authKeys, 'registration', sessionOf(claims), deps.clock())
  return { kind: 'ok', publicKey: await creationOptions(deps, challenge, own.user.value) }
}

/** What adding a passkey comes to: the session that goes on, with recovery codes if it is the first factor, or why not. */
export type PasskeyAdded =
  | ({ readonly kind: 'added' | 'known'; readonly codes: readonly string[] | null } & Bearer)
  | { readonly kind: 'invalid' | 'full' | 'over' }

/**
 * Adds the passkey that a browser has made. If it is the first factor all other sessions end and recovery codes are made, in the same
 * commit. The same one again is known, and its answer the same for ANSWERED_MS. Throws StepUpRequired.
 */
export async function addPasskey(
  deps: Deps,
  claims: AccessClaims,
  { response, name }: { readonly response: RegistrationResponseJSON; readonly name: string },
  caller: Caller,
): Promise<PasskeyAdded> {
  const self = sessionOf(claims)
  const text = challengeIn(response) ?? ''
  const challenge = openChallenge(deps.authKeys, 'registration', text, deps.moment())
  const isOwn = challenge?.userId === self.userId && challenge.sessionId === self.sessionId
  const made = isOwn ? await verifyRegistration(deps, text, response) : null
  if (challenge === null || made === null) return { kind: 'invalid' }
  const place = keys.answered(self.userId, challenge.id)
  return untilWon<PasskeyAdded>(async () => {
    const [own, answered] = await Promise.all([readOwnSession(deps, self), deps.store.get(place)])
    if (own === null) return { kind: 'over' }
    if (answered !== null)
      return (await vouchFor(deps, own.user)) ? repeatAddition(deps, own, answered.value, made) : null
    demandFresh(deps, own.user.value, claims)
    if (find(own.user.value, made))
      return (await vouchFor(deps, own.user)) ? { kind: 'known', codes: null, ...bearerOf(own) } : null
    if (isFull(own.user.value)) return { kind: 'full' }
    return tryAdd(deps, own, { ...made, id: newId(), name, createdAt: deps.clock() }, { place, answered }, caller)
  })
}

function repeatAddition(deps: Deps, own: OwnSession, answered: Answered, made: Made): PasskeyAdded {
  const { value: user } = own.user
  const isSame = wasShown(deps.authKeys, user.id, answered, made.credentialId)
  if (!isSame || !find(user, made)) return { kind: 'invalid' }
  const { seed } = answered
  return { kind: 'known', codes: seed === undefined ? null : repeatRecoveryCodes(deps, user, seed), ...bearerOf(own) }
}

interface Place {
  readonly place: ReturnType<typeof keys.answered>
  readonly answered: Entry<Answered> | null
}

async function tryAdd(
  deps: Deps,
  own: OwnSession,
  passkey: Passkey,
  { place, answered }: Place,
  caller: Caller,
): Promise<PasskeyAdded | null> {
  const { value: user } = own.user
  const seed = user.factors === undefined ? newId() : undefined
  const first = seed === undefined ? null : newRecoveryCodes(deps, user, seed)
  const before = user.factors ?? (first && { passkeys: [], recoveryCodes: first.recoveryCodes })
  if (before === null) return null
  const factors = { ...before, passkeys: [...before.passkeys, passkey] }
  const shown = digestShown(deps.authKeys, user.id, passkey.credentialId)
  const remembered = { sessionId: own.session.value.id, shown, ...(seed === undefined ? {} : { seed }) }
  const also = { checks: [unchanged(place, answered)], puts: [putAnswered(deps, place, remembered)], deletes: [] }
  const enrolment = { factor: 'passkey', factors, amr: ['pop', 'mfa'], endsOthers: first !== null } as const
  const bearer = await commitEnrolment(deps, own, enrolment, also, caller)
  return bearer && { kind: 'added', codes: first && first.codes, ...bearer }
}

function find({ factors }: User, { credentialId }: Made): Passkey | undefined {
  return factors?.passkeys.find((known) => known.credentialId === credentialId)
}

function isFull({ factors }: User): boolean {
  return (factors?.passkeys.length ?? 0) >= MAX_PASSKEYS
}
