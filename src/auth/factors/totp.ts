import { randomBytes } from 'node:crypto'
import type { Deps } from '../../deps.ts'
import { type AccessClaims, sessionOf } from '../../domain/access-token.ts'
import { type Answered, digestShown, PENDING_MS, type PendingTotp, wasShown } from '../../domain/answered.ts'
import type { Caller } from '../../domain/caller.ts'
import { newId } from '../../domain/id.ts'
import { sealFor, unsealFor } from '../../domain/sealed-for.ts'
import { base32, stepOf, TOTP_SECRET_BYTES, totpUri } from '../../domain/totp.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put, unchanged } from '../../store/store.ts'
import { demandFresh } from '../credentials/fresh.ts'
import { guessesAtFactor } from '../credentials/factor-guesses.ts'
import { vouchFor } from '../deed.ts'
import { putAnswered } from '../sessions/open.ts'
import { bearerOf, type OwnSession, readOwnSession } from '../sessions/read.ts'
import type { Bearer } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import { commitEnrolment, newRecoveryCodes, repeatRecoveryCodes } from './enrol.ts'

// Enrolling an authenticator app: it is given a secret, and is enrolled once it has shown a code of it.

/** The secret of an app that is about to be enrolled, in base32, and the URI of the QR code that shows it. */
export interface TotpSecret {
  readonly secret: string
  readonly uri: string
}

/**
 * Gives the app its secret: the same one for as long as it is pending, so that two tabs enrol one. Null: the session is over. Throws
 * StepUpRequired.
 */
export async function beginTotp(deps: Deps, claims: AccessClaims): Promise<TotpSecret | null> {
  const self = sessionOf(claims)
  const { authKeys, store, config } = deps
  const place = keys.pendingTotp(self.userId)
  return untilWon<{ readonly begun: TotpSecret | null }>(async () => {
    const [own, pending] = await Promise.all([readOwnSession(deps, self), store.get(place)])
    if (own === null) return { begun: null }
    const { id, email } = own.user.value
    demandFresh(deps, own.user.value, claims)
    const told = (bytes: Buffer) => ({
      begun: { secret: base32(bytes), uri: totpUri(bytes, { service: config.SERVICE_NAME, account: email }) },
    })
    const known = pending && unsealFor(authKeys, id, 'totp', pending.value.sealed)
    if (known) return told(known)
    const secret = randomBytes(TOTP_SECRET_BYTES)
    const puts = [put(place, { sealed: sealFor(authKeys, id, 'totp', secret) }, deps.clock() + PENDING_MS)]
    const isWon = await store.commit({ checks: [own.user, unchanged(place, pending)], puts, deletes: [] })
    return isWon ? told(secret) : null
  }).then(({ begun }) => begun)
}

/** What confirming comes to: the session that goes on, with recovery codes to keep, or why not. */
export type TotpConfirmed =
  | ({ readonly kind: 'ok'; readonly codes: readonly string[] } & Bearer)
  | { readonly kind: 'invalid' }
  | { readonly kind: 'over' }

/**
 * Enrols the app by a code of its secret. In the same commit all other sessions end and new recovery codes are made. The same code again
 * from the same session is answered the same for ANSWERED_MS, also by the token of before. The code opens no session any more. Throws
 * StepUpRequired, and TooMany.
 */
export async function confirmTotp(
  deps: Deps,
  claims: AccessClaims,
  code: string,
  caller: Caller,
): Promise<TotpConfirmed> {
  const self = sessionOf(claims)
  const [place, done] = [keys.pendingTotp(self.userId), keys.answered(self.userId, 'totp')]
  return untilWon<TotpConfirmed>(async () => {
    const [own, [pending, answered]] = await Promise.all([
      readOwnSession(deps, self),
      deps.store.getMany([place, done] as const),
    ])
    if (own === null) return { kind: 'over' }
    if (answered?.value.sessionId === self.sessionId && pending === null)
      return repeatConfirmation(deps, own, answered.value, code, caller)
    demandFresh(deps, own.user.value, claims)
    const confirmed = pending && (await tryConfirm(deps, own, { pending, answered }, code, caller))
    return pending === null ? { kind: 'invalid' } : confirmed
  })
}

interface Pending {
  readonly pending: Entry<PendingTotp>
  readonly answered: Entry<Answered> | null
}

async function tryConfirm(
  deps: Deps,
  own: OwnSession,
  { pending, answered }: Pending,
  code: string,
  caller: Caller,
): Promise<TotpConfirmed | null> {
  const { value: user } = own.user
  const { sealed } = pending.value
  const secret = unsealFor(deps.authKeys, user.id, 'totp', sealed)
  const lastStep = secret && stepOf(secret, code, deps.clock(), 0)
  if (lastStep === null) return { kind: 'invalid' }
  const seed = newId()
  const { codes, recoveryCodes } = newRecoveryCodes(deps, user, seed)
  const factors = { passkeys: [], ...user.factors, totp: { sealed, lastStep }, recoveryCodes }
  const done = keys.answered(user.id, 'totp')
  const remembered = { sessionId: own.session.value.id, shown: digestShown(deps.authKeys, user.id, code), seed }
  const also = {
    checks: [pending, unchanged(done, answered)],
    puts: [putAnswered(deps, done, remembered)],
    deletes: [pending.key],
  }
  const enrolment = { factor: 'totp', factors, amr: ['otp', 'mfa'], endsOthers: true } as const
  const bearer = await commitEnrolment(deps, own, enrolment, also, caller)
  return bearer && { kind: 'ok', codes, ...bearer }
}

/** The answer may have been lost. It holds recovery codes: who guesses at the code is limited as at a login. */
async function repeatConfirmation(
  deps: Deps,
  own: OwnSession,
  answered: Answered,
  code: string,
  caller: Caller,
): Promise<TotpConfirmed | null> {
  const { session, user } = bearerOf(own)
  const { guard, fail } = guessesAtFactor(deps, 'totp', { user, sessionId: session.id }, caller)
  if (!wasShown(deps.authKeys, user.id, answered, code)) return fail<TotpConfirmed>({ kind: 'invalid' })
  await guard()
  const codes = repeatRecoveryCodes(deps, user, answered.seed ?? '')
  if (codes === null) return { kind: 'invalid' }
  return (await vouchFor(deps, own.user)) ? { kind: 'ok', codes, session, user } : null
}
