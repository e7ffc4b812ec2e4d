import type { Deps } from '../../deps.ts'

/** Whether a hash is of the password in question; of null, where there is no account, and of UNUSABLE never. */
export type PasswordCheck = (hash: string | null) => Promise<boolean>

/** Makes the check of one password. It hashes once, and again only if it is asked about another hash than the last time. */
export function makePasswordCheck({ hashing }: Deps, password: string): PasswordCheck {
  let last: { readonly hash: string | null; readonly isRight: boolean } | undefined
  return async (hash) => {
    if (last?.hash !== hash) last = { hash, isRight: await hashing.verify(hash, password) }
    return last.isRight
  }
}
