import type { User } from '../../src/domain/user.ts'
import type { Commit, Entry, Key, Put, Store } from '../../src/store/store.ts'

// Ways to break what is promised that the checker must see: switches of this test, not of the product.

/** `no-denial`: the denylist is not written. `cached-denylist`: it is read from a cache. `early-answer`: a revocation is answered before it is written. `unspent-code`: no code is spent. */
export const BROKEN = ['no-denial', 'cached-denylist', 'early-answer', 'unspent-code'] as const
export type Broken = (typeof BROKEN)[number]

const CACHE_MS = 300
const LAG_MS = 100

/** The store with one part broken. */
export function breakStore(store: Store, broken: Broken): Store {
  const ways: Record<Broken, () => Partial<Store>> = {
    'no-denial': () => ({ commit: (commit) => store.commit({ ...commit, puts: commit.puts.filter(isNoDenial) }) }),
    'cached-denylist': () => ({ getMany: cacheDenials(store) }),
    'early-answer': () => ({
      commit: (commit) => (commit.puts.every(isNoDenial) ? store.commit(commit) : late(store, commit)),
    }),
    'unspent-code': () => ({
      commit: async (commit) =>
        store.commit({ ...commit, puts: await Promise.all(commit.puts.map((put) => unspent(store, put))) }),
    }),
  }
  return { ...store, ...ways[broken]() }
}

function isDenial(key: string): boolean {
  return key.includes('}:denied-')
}

function isNoDenial({ key }: { readonly key: string }): boolean {
  return !isDenial(key)
}

async function late(store: Store, commit: Commit): Promise<boolean> {
  setTimeout(() => void store.commit(commit).catch(() => {}), LAG_MS)
  return true
}

/** The record of a user as it is written, but with the codes that it had. */
async function unspent(store: Store, put: Put): Promise<Put> {
  if (!isUser(put)) return put
  const before = (await store.get(put.key))?.value.factors
  const { factors } = put.value
  if (!factors?.totp || before?.totp?.sealed !== factors.totp.sealed) return put
  const isRenewed = before.recoveryCodes.sealed !== factors.recoveryCodes.sealed
  const recoveryCodes = isRenewed ? factors.recoveryCodes : before.recoveryCodes
  return { ...put, value: { ...put.value, factors: { ...factors, totp: before.totp, recoveryCodes } } }
}

function isUser(put: Put): put is Put & { readonly key: Key<User>; readonly value: User } {
  return put.key.endsWith('}:user')
}

type Known = { readonly entry: Entry<unknown> | null; readonly until: number }

function cacheDenials(store: Store): Store['getMany'] {
  const known = new Map<string, Known>()
  const isFresh = (key: string) => (known.get(key)?.until ?? 0) > performance.now()
  return async (keys: readonly Key<unknown>[]) => {
    const asked = keys.filter((key) => !isFresh(key))
    const found = new Map<string, Entry<unknown> | null>()
    const entries: readonly (Entry<unknown> | null)[] = await store.getMany(asked)
    asked.forEach((key, place) => {
      const entry = entries[place] ?? null
      found.set(key, entry)
      if (isDenial(key)) known.set(key, { entry, until: performance.now() + CACHE_MS })
    })
    return keys.map((key) => (found.has(key) ? found.get(key) : known.get(key)?.entry) ?? null) as never
  }
}
