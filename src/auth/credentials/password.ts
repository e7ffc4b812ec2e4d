import type { Deps } from '../../deps.ts'
import { normalisePassword } from '../../domain/password.ts'

/** Rejects if too many guesses have failed: asked again once a password was right, as many may have been tried at once. */
export type GuessGuard = () => Promise<void>

/** Whether a hash (null: nobody's) is of the password in question. */
export type PasswordCheck = (hash: string | null) => Promise<boolean>

/** Checks a password against an account as it stands: hashes again only when the stored hash has changed since. */
export function passwordCheck({ hashing }: Deps, password: string): PasswordCheck {
  let last: { readonly hash: string | null; readonly isRight: boolean } | undefined
  return async (hash) => {
    if (last?.hash !== hash) last = { hash, isRight: await hashing.verify(hash, normalisePassword(password)) }
    return last.isRight
  }
}
