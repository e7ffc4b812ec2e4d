import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { type Email, readEmail } from '../../domain/email.ts'
import { normalisePassword } from '../../domain/password.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put } from '../../store/store.ts'
import { findUser } from '../accounts/email-claims.ts'
import type { SessionWish } from '../sessions/open.ts'
import type { Bearer } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import { guessesAtLogin } from './guesses.ts'
import { spendRest } from './imported-work.ts'
import { openProven } from './open-proven.ts'
import { makePasswordCheck, type PasswordCheck } from './password-check.ts'

/**
 * What a login comes to: a session, a wrong address or password, or a right one that does not open a session, because a second factor is
 * asked for, or the operator has disabled the account.
 */
export type Authenticated =
  | { readonly kind: 'half'; readonly user: User }
  | ({ readonly kind: 'ok' } & Bearer)
  | { readonly kind: 'wrong' }
  | { readonly kind: 'disabled' }

/** Stands for an address that nobody can have: a login with it fails as one for an unknown address does, and as slowly. */
const NOBODYS: Email = { address: '', key: '' }

/**
 * Checks a password and opens a session. A wrong password takes as long as an address without an account. A hash from elsewhere,
 * or of weaker parameters than those of now, is made anew. Throws TooMany after too many failed guesses.
 */
export async function authenticate(
  deps: Deps,
  { email, password }: { readonly email: string; readonly password: string },
  wish: SessionWish,
  caller: Caller,
): Promise<Authenticated> {
  const address = readEmail(email) ?? NOBODYS
  const found = (await findUser(deps, address))?.value ?? null
  const guesses = guessesAtLogin(deps, address.key, found, caller)
  await guesses.guard()
  const isRight = makePasswordCheck(deps, password)
  const passwordHash = found?.passwordHash ?? null
  const wasRight = await isRight(passwordHash)
  if (found === null || !wasRight) {
    try {
      return await guesses.fail(recordFailure(deps, found, caller))
    } finally {
      await spendRest(deps, passwordHash) // behind the count: a guess counts, too, if there is no room for this
    }
  }
  await guesses.guard()
  const opened = await openByPassword(deps, found, { password, isRight }, wish, caller)
  if (opened.kind === 'changed') return guesses.fail(recordFailure(deps, found, caller))
  if (opened.kind === 'disabled') deps.record({ event: 'login.failed', user_id: found.id, cause: 'disabled' }, caller)
  return opened
}

/** Opens the session, unless a second factor is asked for; `changed`: the account is gone by now, or its password is another one. */
async function openByPassword(
  deps: Deps,
  { id, passwordHash: checked }: User,
  { password, isRight }: { readonly password: string; readonly isRight: PasswordCheck },
  wish: SessionWish,
  caller: Caller,
): Promise<Authenticated | { readonly kind: 'changed' }> {
  const rehashed = deps.hashing.isOutdated(checked) ? await deps.hashing.hash(normalisePassword(password)) : checked
  return untilWon(async () => {
    const user = await deps.store.get(keys.user(id))
    if (user === null || !(await isRight(user.value.passwordHash))) return { kind: 'changed' }
    if (user.value.disabled) return { kind: 'disabled' }
    const passwordHash = user.value.passwordHash === checked ? rehashed : user.value.passwordHash
    const proven = { ...user.value, passwordHash }
    if (proven.factors) return askForMore(deps, user, proven)
    const opened = await openProven(deps, user, { amr: ['pwd'], user: proven, events: [], mails: [] }, { wish }, caller)
    return opened && { kind: 'ok', ...opened }
  })
}

/** The password is right, and not enough. Nothing is written but a hash that had to be made anew; null: it lost its race. */
async function askForMore({ store }: Deps, user: Entry<User>, proven: User): Promise<Authenticated | null> {
  const isSame = proven.passwordHash === user.value.passwordHash
  const commit = { checks: [user], puts: [put(user.key, proven, null)], deletes: [] }
  return isSame || (await store.commit(commit)) ? { kind: 'half', user: proven } : null
}

function recordFailure({ record }: Deps, user: User | null, caller: Caller): Authenticated {
  const cause = user === null ? 'unknown_account' : 'wrong_password'
  record({ event: 'login.failed', user_id: user?.id ?? null, cause }, caller)
  return { kind: 'wrong' }
}
