import type { SigningKey, VerifyingKey } from '../../domain/signing-keys.ts'
import { keys } from '../../store/keys.ts'
import { put, type Put, type Store } from '../../store/store.ts'

// The public halves of keys that have left the ring: their tokens let nobody in, but still name the session at its logout.

const KID = /^[\w-]{11}$/

/** Writes that keep, until then, the public halves of the keys that are in `before` and not in `after`. */
export function putRetired(before: readonly SigningKey[], after: readonly SigningKey[], until: number): Put[] {
  const left = before.filter(({ kid }) => !after.some((key) => key.kid === kid))
  return left.map(({ kid, alg, publicPem }) => put(keys.retiredKey(kid), { alg, publicPem }, until))
}

/** Reads a retired key by its name; null: there is none, or no session can live any more that one of its tokens names. */
export async function readRetiredKey(store: Store, kid: unknown): Promise<VerifyingKey | null> {
  return typeof kid === 'string' && KID.test(kid) ? ((await store.get(keys.retiredKey(kid)))?.value ?? null) : null
}
