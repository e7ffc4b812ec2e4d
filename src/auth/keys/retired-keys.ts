import type { SigningKey, VerifyingKey } from '../../domain/signing-keys.ts'
import { keys } from '../../store/keys.ts'
import { put, type Put, type Store } from '../../store/store.ts'

// The public halves of keys that have left the ring: tokens of theirs let nobody in, and name a session at its logout.

const KID = /^[\w-]{11}$/

/** Keeps what `after` lacks of `before`. */
export function retire(before: readonly SigningKey[], after: readonly SigningKey[], until: number): Put[] {
  const left = before.filter(({ kid }) => !after.some((key) => key.kid === kid))
  return left.map(({ kid, alg, publicPem }) => put(keys.retiredKey(kid), { alg, publicPem }, until))
}

/** The key of that name, while a session may live that a token of it names. */
export async function findRetiredKey(store: Store, kid: unknown): Promise<VerifyingKey | null> {
  return typeof kid === 'string' && KID.test(kid) ? ((await store.get(keys.retiredKey(kid)))?.value ?? null) : null
}
