import type { Deps } from '../../deps.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'

/** Reads the account of a user; null: it is gone. */
export async function readUser({ store }: Deps, userId: string): Promise<User | null> {
  return (await store.get(keys.user(userId)))?.value ?? null
}
