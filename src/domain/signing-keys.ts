import { LEEWAY_MS } from './revocation.ts'

export const ALGORITHMS = ['ES256', 'EdDSA', 'RS256'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

/** When a key signs: in [signsFrom, signsUntil). It is published from birth and verifies until its last token is dead. */
export interface SigningTime {
  readonly signsFrom: number
  readonly signsUntil: number
}

/** What verifies the tokens of a key. */
export interface VerifyingKey {
  readonly alg: Algorithm
  readonly publicPem: string
}

export interface SigningKey extends SigningTime, VerifyingKey {
  readonly kid: string
  readonly privatePem: string
  readonly madeAt: number
}

export interface KeyPolicy {
  readonly alg: Algorithm
  readonly rotationMs: number
  readonly accessTtlMs: number
  /** How long a session can live. */
  readonly sessionMs: number
}

/** How long another instance may not have heard of a rotation made by command. */
const HEARSAY_MS = 60_000

/**
 * What the ring needs at `now`: which keys to keep (all whose tokens may still be alive), and for which times keys are
 * missing, so that one signs now and its successor is published a whole rotation before it signs.
 */
export function planKeys(
  keys: readonly SigningKey[],
  { alg, rotationMs, accessTtlMs }: KeyPolicy,
  now: number,
): { kept: readonly SigningKey[]; missing: readonly SigningTime[] } {
  // A key that nobody has succeeded has signed until now.
  const overdue = keys.find((key) => key === signingKey(keys, alg, now) && key.signsUntil < now)
  const signed = keys.map((key) => (key === overdue ? { ...key, signsUntil: now } : key))
  const kept = signed.filter((key) => now <= key.signsUntil + accessTtlMs + LEEWAY_MS + HEARSAY_MS)
  const missing: SigningTime[] = []
  const covered = Math.max(now, ...kept.filter((key) => key.alg === alg).map((key) => key.signsUntil))
  for (let from = covered; from <= now + rotationMs; from += rotationMs) {
    missing.push({ signsFrom: from, signsUntil: from + rotationMs })
  }
  return { kept, missing }
}

/** How long a key must have been published before a command makes it sign: as long as a JWKS may be cached. */
export const PUBLISHED_MS = 300_000

/**
 * The keys after a rotation by command: the one that signs hands over to its successor now, if whoever knows it can be
 * expected to know the successor: they were made together, or the successor has been published for long enough.
 */
export function handOver(
  keys: readonly SigningKey[],
  { alg, rotationMs }: KeyPolicy,
  now: number,
): readonly SigningKey[] {
  const current = signingKey(keys, alg, now)
  const next = keys.find((key) => key.alg === alg && key.signsFrom > now && key !== current)
  if (current === undefined || next === undefined) return keys
  if (next.madeAt !== current.madeAt && now - next.madeAt < PUBLISHED_MS) return keys
  return keys.map((key) => {
    if (key === current) return { ...key, signsUntil: now }
    return key === next ? { ...key, signsFrom: now, signsUntil: now + rotationMs } : key
  })
}

/** The key of the algorithm that signs at `now`: the latest to have begun, however long ago; on a clock that is behind, the first. */
export function signingKey<K extends SigningKey>(keys: readonly K[], alg: Algorithm, now: number): K | undefined {
  const candidates = keys.filter((key) => key.alg === alg)
  return candidates.findLast((key) => key.signsFrom <= now) ?? candidates[0]
}
