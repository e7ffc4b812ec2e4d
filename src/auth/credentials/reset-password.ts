import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { type Email, readEmail } from '../../domain/email.ts'
import { withFactors } from '../../domain/factors.ts'
import { nobodyAt, readToken, type Secrets, type Shown } from '../../domain/one-time-secret.ts'
import { type BrokenRule, normalisePassword } from '../../domain/password.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put } from '../../store/store.ts'
import { findUser } from '../accounts/email-claims.ts'
import { carryOut, vouchFor } from '../deed.ts'
import { countMail } from '../mail/limits.ts'
import { notice } from '../mail/notices.ts'
import { judge, mailKeys, provenBy, putSpent, readSecrets, refuse, writeSecretMail } from '../mail/secrets.ts'
import { readSessionsToEnd } from '../sessions/read.ts'
import { endWrites, nextGeneration } from '../sessions/session-writes.ts'
import { untilWon } from '../until-won.ts'
import { judgeNewPassword } from './new-password.ts'
import { makePasswordCheck } from './password-check.ts'

// A person who has lost the password asks for a mail, and sets another password with what is in it. No session opens.

/**
 * Writes the mail for whoever has this address. If nobody has, or the account is disabled, the same is done for a user that does not exist, and the mail is
 * never sent: neither the answer nor its time tells. Throws TooMany.
 */
export async function askForReset(deps: Deps, email: Email, locale: string | null, caller: Caller): Promise<void> {
  await countMail(deps, email.key, caller)
  const found = (await findUser(deps, email))?.value
  const userId = found === undefined || found.disabled ? nobodyAt(deps.authKeys, email.key) : found.id
  const owner = { userId, purpose: 'reset' } as const
  await untilWon(async () => {
    const state = await readSecrets(deps, owner)
    const user = state.user?.value ?? null
    if (user !== null && (user.emailKey !== email.key || user.disabled)) return 'moved'
    const mail = { kind: 'reset-password', email: user?.email ?? email.address, locale } as const
    const events = [{ event: 'password.reset_asked', user_id: user?.id ?? null }] as const
    return (await writeSecretMail(deps, owner, state, mail, { events }, caller)) || null
  })
}

/** How somebody shows that a mail has reached them: by the token of its link, or by its code, with the address. */
export type ResetProof = { readonly token: string } | { readonly email: string; readonly code: string }

/** What a reset comes to. */
export type Reset =
  | { readonly kind: 'ok' }
  | { readonly kind: 'invalid' } // the token or code is wrong, expired, spent or superseded
  | { readonly kind: 'unacceptable'; readonly rules: readonly BrokenRule[] }

/**
 * Sets the password with what a mail holds. In the same commit every session ends, every access token is denied, every other secret
 * dies, and the address counts as verified. The same request again is answered the same for SPENT_MS.
 */
export async function resetPassword(deps: Deps, proof: ResetProof, password: string, caller: Caller): Promise<Reset> {
  const { userId, shown, emailKey } = await readProof(deps, proof)
  const hash = once(() => deps.hashing.hash(normalisePassword(password)))
  const result = shown && (await untilWon(() => tryReset(deps, { userId, shown }, { password, hash }, caller)))
  if (result !== null && result.kind !== 'invalid') return result
  const known = shown && (await deps.store.get(keys.user(userId)))
  const account = { userId: known?.value.id ?? null, purpose: 'reset' } as const
  return refuse(deps, account, { shown, emailKey: known?.value.emailKey ?? emailKey }, caller)
}

interface Claimed {
  readonly userId: string
  /** Null: it cannot be a secret of ours. */
  readonly shown: Shown | null
  readonly emailKey: string
}

async function readProof(deps: Deps, proof: ResetProof): Promise<Claimed> {
  if ('token' in proof) {
    const read = readToken(deps.authKeys, proof.token, 'reset')
    return { userId: read?.userId ?? 'nobody', shown: read?.shown ?? null, emailKey: '' }
  }
  const email = readEmail(proof.email) ?? { address: '', key: '' }
  const user = await findUser(deps, email)
  const userId = user?.value.id ?? nobodyAt(deps.authKeys, email.key)
  return { userId, shown: { kind: 'code', code: proof.code }, emailKey: email.key }
}

interface NewPassword {
  readonly password: string
  readonly hash: () => Promise<string>
}

async function tryReset(
  deps: Deps,
  { userId, shown }: { readonly userId: string; readonly shown: Shown },
  { password, hash }: NewPassword,
  caller: Caller,
): Promise<Reset | null> {
  const owner = { userId, purpose: 'reset' } as const
  const state = await readSecrets(deps, owner)
  const use = await judge(deps, owner, state, shown)
  if (use.kind === 'invalid') return use
  const [user, entry] = [state.user as Entry<User>, state.entry as Entry<Secrets>]
  if (use.kind === 'repeat') {
    const isSame = await makePasswordCheck(deps, password)(user.value.passwordHash)
    if (!isSame) return { kind: 'invalid' }
    return (await vouchFor(deps, user)) ? { kind: 'ok' } : null
  }
  const rules = await judgeNewPassword(deps, password, user.value.email)
  if (rules.length > 0) return { kind: 'unacceptable', rules }
  const deed = await resetDeed(deps, { user, entry, proven: provenBy(user.value, use) }, await hash(), caller)
  return (await carryOut(deps, deed, caller)) ? { kind: 'ok' } : null
}

async function resetDeed(
  deps: Deps,
  { user, entry, proven }: { readonly user: Entry<User>; readonly entry: Entry<Secrets>; readonly proven: User },
  passwordHash: string,
  caller: Caller,
) {
  const { id, emailVerified, knownAddresses } = user.value
  const ended = endWrites(deps, await readSessionsToEnd(deps, user.value), 'password_reset')
  const { next, denial } = nextGeneration(deps, proven)
  // Whoever registered an address that is not theirs has planted nothing in the account of its owner.
  const planted = emailVerified ? [] : [keys.preferences(id), keys.pendingTotp(id)]
  const known = emailVerified ? knownAddresses : []
  const owned = emailVerified ? next : withFactors(next, null)
  const written = { ...owned, passwordHash, sessions: [], knownAddresses: known }
  return {
    checks: [user, entry],
    puts: [
      put(keys.user(id), written, null),
      putSpent(deps, { userId: id, purpose: 'reset' }, entry),
      denial,
      ...ended.puts,
    ],
    deletes: [...mailKeys(id, 'reset'), ...planted, ...ended.deletes],
    events: [...ended.events, { event: 'password.reset', user_id: id } as const],
    mails: notice(deps, written, 'password-changed', caller),
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}
