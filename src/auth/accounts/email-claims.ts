import type { Deps } from '../../deps.ts'
import type { Email } from '../../domain/email.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put, unchanged } from '../../store/store.ts'

// Which e-mail address belongs to whom. A claim counts only while the user that it names exists and has that address.

/** Finds the user of an e-mail address; null: there is none. Reads as often if there is none, so that the time tells nothing. */
export async function findUser({ store }: Deps, email: Email): Promise<Entry<User> | null> {
  const claim = await store.get(keys.email(email.key))
  const user = await store.get(keys.user(claim?.value.userId ?? 'nobody'))
  return user?.value.emailKey === email.key ? user : null
}

/** Claims the address for the user; false: another user has it, or was quicker. A claim whose user is gone does not count. */
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

/** Deletes the claim of a removed user. A failure is ignored: a claim whose user is gone does not count. */
export async function releaseAddress({ store }: Deps, { id, emailKey }: User): Promise<void> {
  const key = keys.email(emailKey)
  const claim = await store.get(key).catch(() => null)
  if (claim?.value.userId === id) await store.commit({ checks: [claim], puts: [], deletes: [key] }).catch(() => false)
}
