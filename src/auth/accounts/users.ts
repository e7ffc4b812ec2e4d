import type { Deps } from '../../deps.ts'
import type { User } from '../../domain/user.ts'
import { keys, USER_ENDING } from '../../store/keys.ts'
import type { Key } from '../../store/store.ts'
import { readInPieces } from '../read-in-pieces.ts'

/** Reads the account of a user; null: it is gone. */
export async function readUser({ store }: Deps, userId: string): Promise<User | null> {
  return (await store.get(keys.user(userId)))?.value ?? null
}

/** Some users, and where the walk over all of them goes on; null: it is over. */
export interface UserPage {
  readonly users: readonly User[]
  readonly next: string | null
}

/** So many keys are looked at for one user of a page: most keys of a store are of sessions and events. */
const KEYS_A_USER = 10
/** A page that has met few users goes on looking for so many steps. */
const STEPS = 20

/** Goes a step of a walk over all users, of about `limit`. One who is there throughout is met, at least once. */
export async function listUsers({ store }: Deps, cursor: string | null, limit: number): Promise<UserPage> {
  const found = new Map<string, User>()
  let next = cursor
  for (let step = 0; step < STEPS && found.size < limit; step += 1) {
    const page = await store.scan({ ending: USER_ENDING, cursor: next, count: limit * KEYS_A_USER })
    for (const { value } of await readInPieces(store, page.keys as Key<User>[])) found.set(value.id, value)
    next = page.next
    if (next === null) break
  }
  return { users: [...found.values()], next }
}
