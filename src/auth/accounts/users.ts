import type { Deps } from '../../deps.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'

/** The account of a user; null if it is gone. */
export async function readUser({ store }: Deps, userId: string): Promise<User | null> {
  return (await store.get(keys.user(userId)))?.value ?? null
}
