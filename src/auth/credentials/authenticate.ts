import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { type Email, readEmail } from '../../domain/email.ts'
import { normalisePassword } from '../../domain/password.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { findUser } from '../accounts/email-claims.ts'
import { knowing } from '../accounts/known-addresses.ts'
import { openSession, type SessionWish } from '../sessions/open.ts'
import type { Bearer } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import { atLogin } from './guesses.ts'
import { passwordCheck, type PasswordCheck } from './password-check.ts'

export type Authenticated = ({ readonly kind: 'ok' } & Bearer) | { readonly kind: 'wrong' }

/** An address that nobody can have is nobody's: it fails as a stranger's does, and as slowly. */
const NOBODYS: Email = { address: '', key: '' }

/**
 * Checks a password and opens a session; a wrong one takes as long as one for nobody. Makes the hash anew when the parameters
 * have risen. Throws TooMany where too many guesses have failed.
 */
export async function authenticate(
  deps: Deps,
  { email, password }: { readonly email: string; readonly password: string },
  wish: SessionWish,
  caller: Caller,
): Promise<Authenticated> {
  const address = readEmail(email) ?? NOBODYS
  const found = (await findUser(deps, address))?.value ?? null
  const guesses = atLogin(deps, address.key, found, caller)
  await guesses.guard()
  const isRight = passwordCheck(deps, password)
  const wasRight = await isRight(found?.passwordHash ?? null)
  if (found === null || !wasRight) return guesses.fail(refuse(deps, found, caller))
  await guesses.guard()
  const opened = await openByPassword(deps, found, { password, isRight }, wish, caller)
  return opened === 'changed' ? guesses.fail(refuse(deps, found, caller)) : { kind: 'ok', ...opened }
}

/** `changed`: the account is gone, or its password is another one by now. */
async function openByPassword(
  deps: Deps,
  { id, passwordHash: checked }: User,
  { password, isRight }: { readonly password: string; readonly isRight: PasswordCheck },
  wish: SessionWish,
  caller: Caller,
): Promise<Bearer | 'changed'> {
  const rehashed = deps.hashing.isOutdated(checked) ? await deps.hashing.hash(normalisePassword(password)) : checked
  return untilWon(async () => {
    const user = await deps.store.get(keys.user(id))
    if (user === null || !(await isRight(user.value.passwordHash))) return 'changed'
    const passwordHash = user.value.passwordHash === checked ? rehashed : user.value.passwordHash
    const change = { passwordHash, knownAddresses: knowing(deps, user.value.knownAddresses, caller) }
    return openSession(deps, user, { amr: ['pwd'], event: 'login.succeeded', change }, wish, caller)
  })
}

function refuse({ record }: Deps, user: User | null, caller: Caller): Authenticated {
  const cause = user === null ? 'unknown_account' : 'wrong_password'
  record({ event: 'login.failed', user_id: user?.id ?? null, cause }, caller)
  return { kind: 'wrong' }
}
