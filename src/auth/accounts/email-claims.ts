import type { Deps } from '../../deps.ts'
import type { Email } from '../../domain/email.ts'
import type { User } from '../../domain/user.ts'
import { type EmailClaim, keys } from '../../store/keys.ts'
import { type Entry, put, unchanged } from '../../store/store.ts'
import { untilWon } from '../until-won.ts'

// Which e-mail address belongs to whom. A claim counts only while the user that it names has that address, or holds it: to change its
// own, or to begin to exist.

/** Finds the user of an e-mail address; null: there is none. Reads as often if there is none, so that the time tells nothing. */
export async function findUser({ store }: Deps, email: Email): Promise<Entry<User> | null> {
  const claim = await store.get(keys.email(email.key))
  const user = await store.get(keys.user(claim?.value.userId ?? 'nobody'))
  return user?.value.emailKey === email.key ? user : null
}

/**
 * Claims the address for a user; false: another user has it, or was quicker. A claim that is the user's already is written again: a
 * rival who has read it as nobody's loses its race.
 */
export async function claimAddress(deps: Deps, email: Email, userId: string): Promise<boolean> {
  const key = keys.email(email.key)
  const claimed = await untilWon(async () => {
    const claim = await deps.store.get(key)
    if (claim !== null && claim.value.userId !== userId && (await isInForce(deps, email.key, claim.value)))
      return 'taken'
    const write = { checks: [unchanged(key, claim)], puts: [put(key, { userId }, null)], deletes: [] }
    return (await deps.store.commit(write)) ? 'claimed' : null
  })
  return claimed === 'claimed'
}

/**
 * Takes the hold from a registration that has claimed the address: one that was cut off may be repeated at once. One that is still
 * under way comes too late now.
 */
export async function outbid({ store }: Deps, email: Email): Promise<void> {
  const claim = await store.get(keys.email(email.key))
  const held = claim && (await store.get(keys.registering(claim.value.userId)))
  if (held?.value === email.key) await store.commit({ checks: [held], puts: [], deletes: [held.key] })
}

/** Whether the user that the claim names has the address, or holds it. */
async function isInForce({ store }: Deps, key: string, { userId }: EmailClaim): Promise<boolean> {
  const [user, ...holds] = await store.getMany([keys.user(userId), keys.heldEmail(userId), keys.registering(userId)])
  return user?.value.emailKey === key || holds.some((held) => held?.value === key)
}

/**
 * Deletes the claim of a user who is gone, or has another address. One who has changed back, or is about to, keeps it: its claim is in
 * force, or is written anew. A failure is ignored: such a claim does not count.
 */
export async function releaseAddress(deps: Deps, user: User): Promise<void> {
  await deleteClaim(deps, user).catch(() => {})
}

async function deleteClaim(deps: Deps, { id, emailKey }: User): Promise<void> {
  const key = keys.email(emailKey)
  const claim = await deps.store.get(key)
  if (claim?.value.userId !== id || (await isInForce(deps, emailKey, claim.value))) return
  await deps.store.commit({ checks: [claim], puts: [], deletes: [key] })
}
