import { LEEWAY_MS } from './revocation.ts'

export const ALGORITHMS = ['ES256', 'EdDSA', 'RS256'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

/** When a key signs: in [signsFrom, signsUntil). It is published from birth and verifies until its last token is dead. */
export interface SigningTime {
  readonly signsFrom: number
  readonly signsUntil: number
}

export interface SigningKey extends SigningTime {
  readonly kid: string
  readonly alg: Algorithm
  readonly privatePem: string
  readonly publicPem: string
}

export interface KeyPolicy {
  readonly alg: Algorithm
  readonly rotationMs: number
  readonly accessTtlMs: number
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
  const kept = keys.filter((key) => now <= key.signsUntil + accessTtlMs + LEEWAY_MS + HEARSAY_MS)
  const missing: SigningTime[] = []
  const covered = Math.max(now, ...kept.filter((key) => key.alg === alg).map((key) => key.signsUntil))
  for (let from = covered; from <= now + rotationMs; from += rotationMs) {
    missing.push({ signsFrom: from, signsUntil: from + rotationMs })
  }
  return { kept, missing }
}

/** The keys after a rotation by command: the one that signs hands over to its published successor now. */
export function handOver(
  keys: readonly SigningKey[],
  { alg, rotationMs }: KeyPolicy,
  now: number,
): readonly SigningKey[] {
  const current = signingKey(keys, alg, now)
  const next = keys.find((key) => key.alg === alg && key.signsFrom > now)
  return keys.map((key) => {
    if (next !== undefined && key === current) return { ...key, signsUntil: now }
    return key === next ? { ...key, signsFrom: now, signsUntil: now + rotationMs } : key
  })
}

/** The key of the algorithm that signs at `now`: the latest to have begun, however long ago. */
export function signingKey(keys: readonly SigningKey[], alg: Algorithm, now: number): SigningKey | undefined {
  return keys.findLast((key) => key.alg === alg && key.signsFrom <= now)
}
