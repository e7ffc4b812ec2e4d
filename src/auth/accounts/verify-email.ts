import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { Secrets, Shown } from '../../domain/one-time-secret.ts'
import type { SessionName } from '../../domain/session.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put } from '../../store/store.ts'
import { carryOut, vouchFor } from '../deed.ts'
import { countMail } from '../mail/limits.ts'
import { type OwnConfirmed, type OwnProof, takeOwnProof } from '../mail/own-proof.ts'
import { judge, provenBy, putSpent, readSecrets, writeSecretMail } from '../mail/secrets.ts'
import { bearerOf, readOwnSession } from '../sessions/read.ts'
import { untilWon } from '../until-won.ts'
import { readUser } from './users.ts'

/** What asking for the mail comes to. */
export type VerificationAsked = 'asked' | 'verified' | 'over'

/** Writes the mail by which the caller shows that mail to the address of the account arrives. Throws TooMany. */
export async function askForVerification(
  deps: Deps,
  { userId }: SessionName,
  locale: string | null,
  caller: Caller,
): Promise<VerificationAsked> {
  const owner = { userId, purpose: 'verify' } as const
  const found = await readUser(deps, userId)
  if (found === null) return 'over'
  if (found.emailVerified) return 'verified'
  await countMail(deps, found.emailKey, caller)
  return untilWon(async () => {
    const state = await readSecrets(deps, owner)
    if (state.user === null) return 'over'
    const { email, emailVerified } = state.user.value
    if (emailVerified) return 'verified'
    const mail = { kind: 'verify-email', email, locale } as const
    return (await writeSecretMail(deps, owner, state, mail, { events: [] }, caller)) ? 'asked' : null
  })
}

/** Takes the address of the caller's account as verified. The same request again is answered the same for SPENT_MS. */
export async function verifyEmail(
  deps: Deps,
  self: SessionName,
  proof: OwnProof,
  caller: Caller,
): Promise<OwnConfirmed> {
  const owner = { userId: self.userId, purpose: 'verify' } as const
  return takeOwnProof(deps, owner, proof, caller, (shown) => untilWon(() => tryVerify(deps, self, shown, caller)))
}

async function tryVerify(deps: Deps, self: SessionName, shown: Shown, caller: Caller): Promise<OwnConfirmed | null> {
  const owner = { userId: self.userId, purpose: 'verify' } as const
  const own = await readOwnSession(deps, self)
  if (own === null) return { kind: 'over' }
  const { user, session } = own
  const entry = await deps.store.get(keys.secrets(self.userId, 'verify'))
  const use = await judge(deps, owner, { user, entry }, shown)
  if (use.kind === 'invalid' || use.email !== user.value.email) return { kind: 'invalid' }
  if (use.kind === 'repeat') return (await vouchFor(deps, user)) ? { kind: 'ok', ...bearerOf(own) } : null
  const verified = provenBy(user.value, use)
  const deed = {
    checks: [user, entry as Entry<Secrets>],
    puts: [put(keys.user(self.userId), verified, null), putSpent(deps, owner, entry as Entry<Secrets>)],
    deletes: [],
    events: [{ event: 'email.verified', user_id: self.userId, session_id: self.sessionId }] as const,
  }
  return (await carryOut(deps, deed, caller)) ? { kind: 'ok', session: session.value, user: verified } : null
}
