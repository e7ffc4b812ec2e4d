import { randomBytes } from 'node:crypto'
import type { Deps } from '../../deps.ts'
import { type AuthMethod, withMethods } from '../../domain/auth-methods.ts'
import type { Caller } from '../../domain/caller.ts'
import { type Factor, type Factors, type RecoveryCodes, withFactors } from '../../domain/factors.ts'
import { makeCodes, RECOVERY_KEY_BYTES, sameCodes } from '../../domain/recovery-codes.ts'
import { sealFor, unsealFor } from '../../domain/sealed-for.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { type Commit, put } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import { notice } from '../mail/notices.ts'
import { type OwnSession, readSessionsToEnd } from '../sessions/read.ts'
import { endWrites, putSession } from '../sessions/session-writes.ts'
import type { Bearer } from '../tokens/issue.ts'

// What enrolling a factor does, whichever it is.

/** A set of recovery codes as its owner reads them, and as the record has them. */
export interface NewCodes {
  readonly codes: readonly string[]
  readonly recoveryCodes: RecoveryCodes
}

/** Makes recovery codes from a seed: whoever knows it can ask for the same ones again. */
export function newRecoveryCodes({ authKeys }: Deps, { id: userId, factors }: User, seed: string): NewCodes {
  const hmacKey = randomBytes(RECOVERY_KEY_BYTES)
  const before = factors?.recoveryCodes.requests ?? []
  const { codes, left, requests } = makeCodes(authKeys, { userId, hmacKey, seed }, before)
  return { codes, recoveryCodes: { sealed: sealFor(authKeys, userId, 'recovery codes', hmacKey), left, requests } }
}

/** The recovery codes of this seed once more; null: there are others by now, or one of them is used. */
export function repeatRecoveryCodes(
  { authKeys }: Deps,
  { id: userId, factors }: User,
  seed: string,
): readonly string[] | null {
  if (factors === undefined) return null
  const hmacKey = unsealFor(authKeys, userId, 'recovery codes', factors.recoveryCodes.sealed)
  return hmacKey && sameCodes(authKeys, { userId, hmacKey, seed }, factors.recoveryCodes)
}

/** What is enrolled: the factor, all factors of the user with it, and how it was proven. */
export interface Enrolment {
  readonly factor: Factor
  readonly factors: Factors
  readonly amr: readonly AuthMethod[]
  /** Whether all other sessions end: none of them has proven a factor. */
  readonly endsOthers: boolean
}

/**
 * Writes a factor that its person has just proven: the session goes on with it, its tokens stay good, and the owner is told. Null: the
 * user or the session has changed since they were read.
 */
export async function commitEnrolment(
  deps: Deps,
  { user, session: own }: OwnSession,
  { factor, factors, amr, endsOthers }: Enrolment,
  { checks, puts, deletes }: Commit,
  caller: Caller,
): Promise<Bearer | null> {
  const { id: userId } = user.value
  const session = { ...own.value, amr: withMethods(own.value.amr, amr), authAt: deps.clock() }
  const all = endsOthers ? await readSessionsToEnd(deps, user.value) : []
  const ended = endWrites(
    deps,
    all.filter(({ id }) => id !== session.id),
    'factor_changed',
  )
  const sessions = endsOthers ? [session.id] : user.value.sessions
  const next = { ...withFactors(user.value, factors), sessions }
  const added = { event: 'factor.added', user_id: userId, session_id: session.id, factor } as const
  const deed = {
    checks: [user, own, ...checks],
    puts: [put(keys.user(userId), next, null), putSession(session), ...ended.puts, ...puts],
    deletes: [...ended.deletes, ...deletes],
    events: [...ended.events, added],
    mails: notice(deps, next, 'factor-added', caller),
  }
  return (await carryOut(deps, deed, caller)) ? { session, user: next } : null
}
