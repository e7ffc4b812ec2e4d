import type { User } from '../../src/domain/user.ts'
import { keys } from '../../src/store/keys.ts'
import { put, type Put, type Store } from '../../src/store/store.ts'

/** A user who has never logged in, with what matters here in its place. */
export function aUser(id: string, given: Partial<User> = {}): User {
  const email = `${id.toLowerCase()}@example.org`
  return {
    id,
    email,
    emailKey: email,
    emailVerified: false,
    passwordHash: '$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Tm90IGEgaGFzaA',
    createdAt: 1_769_860_800_000,
    generation: 0,
    roles: [],
    app: {},
    sessions: [],
    knownAddresses: [],
    ...given,
  }
}

/** Writes users with their addresses straight into the store; on a Cluster one commit a key. */
export async function writeUsers(store: Store, users: readonly User[], aCommit = 200): Promise<void> {
  const puts = users.flatMap((user): Put[] => [
    put(keys.user(user.id), user, null),
    put(keys.email(user.emailKey), { userId: user.id }, null),
  ])
  for (let at = 0; at < puts.length; at += aCommit)
    await store.commit({ checks: [], puts: puts.slice(at, at + aCommit), deletes: [], mayBeLost: true })
}
