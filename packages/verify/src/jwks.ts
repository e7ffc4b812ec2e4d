import { type CryptoKey, importJWK, type JWK } from 'jose'
import type { Reply } from './requests.ts'

/** A public key of the issuer. It verifies with its own algorithm and no other, RFC 8725 section 3.1. */
export interface Key {
  readonly alg: string
  /** How the JWKS has it. */
  readonly text: string
  readonly open: () => Promise<CryptoKey>
}

/** The keys that the issuer publishes, by name, and for how many ms they need not be fetched again. */
export interface KeySet {
  readonly keys: ReadonlyMap<string, Key>
  readonly maxAgeMs: number
}

/** The algorithms that Latchkey signs with, and the type of their keys. */
const KEY_TYPES: Readonly<Record<string, string>> = { ES256: 'EC', EdDSA: 'OKP', RS256: 'RSA' }

const LEAST_AGE_MS = 60_000
const MOST_AGE_MS = 600_000

/**
 * Reads a JWKS, RFC 7517. Throws if it is none, or holds no key to verify by: Latchkey always publishes one. A key that was there
 * `before` stays the same object.
 */
export function readKeySet({ status, headers, text }: Reply, before: KeySet): KeySet {
  if (status !== 200) throw new Error(`the JWKS answers ${status}`)
  const keys = new Map<string, Key>()
  for (const jwk of (JSON.parse(text) as { keys: JWK[] }).keys) {
    const { kid, alg = '', use = 'sig' } = jwk
    if (typeof kid !== 'string' || !Object.hasOwn(KEY_TYPES, alg) || KEY_TYPES[alg] !== jwk.kty || use !== 'sig')
      continue
    keys.set(kid, keyOf(jwk, alg, before.keys.get(kid)))
  }
  if (keys.size === 0) throw new Error('the JWKS holds no key to verify by')
  return { keys, maxAgeMs: maxAgeOf(headers) }
}

function keyOf(jwk: JWK, alg: string, before: Key | undefined): Key {
  const text = JSON.stringify(jwk)
  if (before?.text === text) return before
  let opening: Promise<CryptoKey> | undefined
  return { alg, text, open: () => (opening ??= importJWK(jwk, alg) as Promise<CryptoKey>) }
}

/** `max-age`, RFC 9111 section 5.2.2.1, in ms, held within bounds. */
function maxAgeOf(headers: Headers): number {
  const [, seconds = '0'] = /(?:^|[\s,])max-age="?(\d+)/i.exec(headers.get('cache-control') ?? '') ?? []
  return Math.min(Math.max(Number(seconds) * 1000, LEAST_AGE_MS), MOST_AGE_MS)
}
