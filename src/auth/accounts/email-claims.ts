import type { Deps } from '../../deps.ts'
import type { Email } from '../../domain/email.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put, unchanged } from '../../store/store.ts'

// Which address belongs to whom. A claim counts only while its user exists and says the same.

/** The user that an address belongs to. Takes as many reads whether or not there is one. */
export async function findUser({ store }: Deps, email: Email): Promise<Entry<User> | null> {
  const claim = await store.get(keys.email(email.key))
  const user = await store.get(keys.user(claim?.value.userId ?? 'nobody'))
  return user?.value.emailKey === email.key ? user : null
}

/** Wins the address for the user, unless another user has it; a claim whose user is gone is nobody's. */
export async function claimAddress(deps: Deps, email: Email, user: User): Promise<boolean> {
  const key = keys.email(email.key)
  const claim = await deps.store.get(key)
  if (claim !== null && (await findUser(deps, email)) !== null) return false
  return deps.store.commit({
    checks: [unchanged(key, claim)],
    puts: [put(key, { userId: user.id }, null)],
    deletes: [],
  })
}

/** Gives the address of a removed user back. Left undone it does no harm: the claim is nobody's. */
export async function releaseAddress({ store }: Deps, { id, emailKey }: User): Promise<void> {
  const key = keys.email(emailKey)
  const claim = await store.get(key).catch(() => null)
  if (claim?.value.userId === id) await store.commit({ checks: [claim], puts: [], deletes: [key] }).catch(() => false)
}
