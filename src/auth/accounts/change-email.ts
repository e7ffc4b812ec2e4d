import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { type Email, readEmail } from '../../domain/email.ts'
import type { Secrets, Shown } from '../../domain/one-time-secret.ts'
import type { SessionName } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put, unchanged } from '../../store/store.ts'
import { type Asker, demandFresh } from '../credentials/fresh.ts'
import { carryOut, vouchFor } from '../deed.ts'
import { countMail } from '../mail/limits.ts'
import { notice } from '../mail/notices.ts'
import { type OwnConfirmed, type OwnProof, takeOwnProof } from '../mail/own-proof.ts'
import { judge, mailKeys, provenBy, putSpent, readSecrets, writeSecretMail } from '../mail/secrets.ts'
import { bearerOf, type OwnSession, readOwnSession, readSessionsToEnd } from '../sessions/read.ts'
import { endWrites } from '../sessions/session-writes.ts'
import type { Bearer } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import { claimAddress, findUser, releaseAddress } from './email-claims.ts'
import { readUser } from './users.ts'

/**
 * Writes a mail to the new address, by which the caller shows that it is theirs, and a notice to the old one. If the new address is
 * another account's, its owner is told, and the answer is the same. False: the session is over. Throws TooMany and
 * StepUpRequired.
 */
export async function askForChange(
  deps: Deps,
  { self, claims }: Asker,
  { email, locale }: { readonly email: Email; readonly locale: string | null },
  caller: Caller,
): Promise<boolean> {
  const owner = { userId: self.userId, purpose: 'change' } as const
  const asker = await readUser(deps, self.userId)
  if (asker === null) return false
  demandFresh(deps, asker, claims) // before it counts
  await countMail(deps, email.key, caller)
  const holder = await findUser(deps, email)
  const isTaken = holder !== null && holder.value.id !== self.userId
  const kind = isTaken ? 'email-taken' : 'change-email'
  const asked = await untilWon(async () => {
    const state = await readSecrets(deps, owner)
    if (state.user === null) return 'over'
    demandFresh(deps, state.user.value, claims)
    const mails = notice(deps, state.user.value, 'email-change-asked', caller)
    const mail = { kind, email: email.address, locale } as const
    return (await writeSecretMail(deps, owner, state, mail, { events: [], mails }, caller)) ? 'asked' : null
  })
  return asked === 'asked'
}

/** What a change of the address comes to. */
export type EmailChanged = OwnConfirmed | { readonly kind: 'taken' }

/** For how many ms a user holds the address that it is about to have. */
const HELD_MS = 10 * 60_000

/**
 * Changes the address of the account. There are three commits, because the address and the user live in different slots: the user
 * holds the address, for HELD_MS; the claim to it, which one of many rivals wins; the user, who has it from then on, while every
 * other session ends. The same request again is answered the same for SPENT_MS.
 */
export async function changeEmail(
  deps: Deps,
  self: SessionName,
  proof: OwnProof,
  caller: Caller,
): Promise<EmailChanged> {
  const owner = { userId: self.userId, purpose: 'change' } as const
  return takeOwnProof(deps, owner, proof, caller, (shown) => untilWon(() => tryChange(deps, self, shown, caller)))
}

async function tryChange(deps: Deps, self: SessionName, shown: Shown, caller: Caller): Promise<EmailChanged | null> {
  const owner = { userId: self.userId, purpose: 'change' } as const
  const own = await readOwnSession(deps, self)
  if (own === null) return { kind: 'over' }
  const { user } = own
  const [entry, held] = await deps.store.getMany([keys.secrets(user.value.id, 'change'), keys.heldEmail(user.value.id)])
  const use = await judge(deps, owner, { user, entry }, shown)
  if (use.kind === 'repeat' && use.email === user.value.email)
    return (await vouchFor(deps, user)) ? { kind: 'ok', ...bearerOf(own) } : null
  if (use.kind !== 'right') return { kind: 'invalid' }
  const email = readEmail(use.email) as Email
  const secrets = entry as Entry<Secrets>
  if (held?.value !== email.key) return (await hold(deps, own, { email, secrets, held }), null)
  if (!(await claimAddress(deps, email, user.value.id))) return { kind: 'taken' }
  const changed = { ...provenBy(user.value, use), email: email.address, emailKey: email.key }
  const bearer = await commitChange(deps, own, { changed, secrets, held }, caller)
  if (bearer === null) return null
  await releaseAddress(deps, user.value)
  return { kind: 'ok', ...bearer }
}

/** Holds the address for the user: from now on its claim to it counts. */
async function hold(
  { store, clock }: Deps,
  { user }: OwnSession,
  { email, secrets, held }: { email: Email; secrets: Entry<Secrets>; held: Entry<string> | null },
): Promise<void> {
  const key = keys.heldEmail(user.value.id)
  const puts = [put(key, email.key, clock() + HELD_MS)]
  await store.commit({ checks: [user, secrets, unchanged(key, held)], puts, deletes: [] })
}

async function commitChange(
  deps: Deps,
  { user, session }: OwnSession,
  { changed, secrets, held }: { changed: User; secrets: Entry<Secrets>; held: Entry<string> },
  caller: Caller,
): Promise<Bearer | null> {
  const { id: userId } = changed
  const { id: sessionId } = session.value
  const others = (await readSessionsToEnd(deps, user.value)).filter(({ id }) => id !== sessionId)
  const { puts, deletes, events } = endWrites(deps, others, 'email_changed')
  const next = { ...changed, sessions: [sessionId] }
  const deed = {
    checks: [user, session, secrets, held],
    puts: [put(keys.user(userId), next, null), putSpent(deps, { userId, purpose: 'change' }, secrets), ...puts],
    deletes: [...mailKeys(userId, 'change'), ...deletes],
    events: [...events, { event: 'email.changed', user_id: userId, session_id: sessionId } as const],
    mails: notice(deps, next, 'email-changed', caller, user.value.email),
  }
  return (await carryOut(deps, deed, caller)) ? { session: session.value, user: next } : null
}
