import { LEEWAY_MS } from './revocation.ts'

/** The algorithms that access tokens can be signed by, RFC 7518 section 3.1 and RFC 8037 section 3.1. */
export const ALGORITHMS = ['ES256', 'EdDSA', 'RS256'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

/**
 * When a key signs: in [signsFrom, signsUntil), ms since the epoch. A key is published when it is made, and verifies until its
 * last token has expired.
 */
export interface SigningTime {
  readonly signsFrom: number
  readonly signsUntil: number
}

/** The half of a key that verifies its tokens; PEM in SPKI. */
export interface VerifyingKey {
  readonly alg: Algorithm
  readonly publicPem: string
}

/** A whole key; `privatePem` is PKCS #8, `madeAt` ms since the epoch. */
export interface SigningKey extends SigningTime, VerifyingKey {
  readonly kid: string
  readonly privatePem: string
  readonly madeAt: number
}

/** What the settings ask of the signing keys; durations are ms. */
export interface KeyPolicy {
  readonly alg: Algorithm
  readonly rotationMs: number
  readonly accessTtlMs: number
  /** The longest that a session can live. */
  readonly sessionMs: number
}

/** For how many ms another instance may go on signing with the old key, after a rotation by command. */
const HANDOVER_NOTICE_MS = 60_000

/**
 * Decides at `now` which keys stay (all whose tokens may be alive), and for which times keys are missing, so that one key signs
 * now and its successor is published a whole rotation before it signs.
 */
export function planKeys(
  keys: readonly SigningKey[],
  { alg, rotationMs, accessTtlMs }: KeyPolicy,
  now: number,
): { kept: readonly SigningKey[]; missing: readonly SigningTime[] } {
  // A key without a successor has signed until now, though its time was over.
  const overdue = keys.find((key) => key === findSigningKey(keys, alg, now) && key.signsUntil < now)
  const signed = keys.map((key) => (key === overdue ? { ...key, signsUntil: now } : key))
  const kept = signed.filter((key) => now <= key.signsUntil + accessTtlMs + LEEWAY_MS + HANDOVER_NOTICE_MS)
  const missing: SigningTime[] = []
  const covered = Math.max(now, ...kept.filter((key) => key.alg === alg).map((key) => key.signsUntil))
  for (let from = covered; from <= now + rotationMs; from += rotationMs) {
    missing.push({ signsFrom: from, signsUntil: from + rotationMs })
  }
  return { kept, missing }
}

/** For how many ms a key must have been published before a command may make it sign: as long as a JWKS may be cached. */
export const PUBLISHED_MS = 300_000

/**
 * The keys after a rotation by command: the key that signs hands over to its successor now. They stay as they are if a verifier
 * may know the key and not its successor: unless the two were made together, or the successor has been published for PUBLISHED_MS.
 */
export function handOver(
  keys: readonly SigningKey[],
  { alg, rotationMs }: KeyPolicy,
  now: number,
): readonly SigningKey[] {
  const current = findSigningKey(keys, alg, now)
  const next = keys.find((key) => key.alg === alg && key.signsFrom > now && key !== current)
  if (current === undefined || next === undefined) return keys
  if (next.madeAt !== current.madeAt && now - next.madeAt < PUBLISHED_MS) return keys
  return keys.map((key) => {
    if (key === current) return { ...key, signsUntil: now }
    return key === next ? { ...key, signsFrom: now, signsUntil: now + rotationMs } : key
  })
}

/**
 * Finds the key of the algorithm that signs at `now`: the latest that has begun, however long ago; the first if none has, on a
 * clock that is behind.
 */
export function findSigningKey<K extends SigningKey>(keys: readonly K[], alg: Algorithm, now: number): K | undefined {
  const candidates = keys.filter((key) => key.alg === alg)
  return candidates.findLast((key) => key.signsFrom <= now) ?? candidates[0]
}
