import type { Deps } from '../../deps.ts'
import { normalisePassword } from '../../domain/password.ts'

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
