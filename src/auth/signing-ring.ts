import { createPublicKey, generateKeyPair, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { createSigner } from 'fast-jwt'
import type { AccessClaims } from '../domain/access-token.ts'
import { type AuthKeys, decrypt, encrypt, isSealedByOldKey } from '../domain/auth-secret.ts'
import { type Algorithm, type KeyPolicy, planKeys, type SigningKey, type SigningTime } from '../domain/signing-keys.ts'
import { keys } from '../store/keys.ts'
import { put, type Store, StoreUnavailable, unchanged } from '../store/store.ts'

/** All signing keys, as the store of that identity had them. */
export interface SigningRing {
  readonly identity: string
  readonly keys: readonly SigningKey[]
  /** By key id: makes a JWT, `typ: at+jwt`, RFC 9068 section 2.1. */
  readonly signers: ReadonlyMap<string, (claims: AccessClaims) => string>
}

/** The store's keys are sealed under an AUTH_SECRET that is not ours. They are never overwritten. */
export class UnreadableKeys extends StoreUnavailable {
  override readonly message =
    'the signing keys in the store are sealed under another AUTH_SECRET: list the old one behind the new one'
}

/** A public key as the JWKS shows it, RFC 7517. */
export interface PublicJwk {
  readonly kid: string
  readonly alg: Algorithm
  readonly use: 'sig'
  readonly kty: string
  readonly [member: string]: string
}

export interface RingOptions {
  readonly store: Store
  readonly authKeys: AuthKeys
  readonly policy: KeyPolicy
  readonly clock: () => number
}

/** What is to be made of the keys that were found; null: neither they nor the store's identity are to be kept. */
export type RingChange = ((found: readonly SigningKey[]) => readonly SigningKey[]) | null

/** One try at bringing the store's ring up to date, with `change` first; null: another instance was quicker. */
export async function updateRing(
  { store, authKeys, policy, clock }: RingOptions,
  change: RingChange,
): Promise<SigningRing | null> {
  const [identity, sealed] = await store.getMany([keys.identity, keys.signingKeys])
  const isKept = identity !== null && change !== null
  const text = sealed && isKept ? decrypt(authKeys, sealed.value) : '[]'
  if (text === null) throw new UnreadableKeys()
  const now = clock()
  const { kept, missing } = planKeys(change?.(JSON.parse(text) as SigningKey[]) ?? [], policy, now)
  const ring = [...kept, ...(await Promise.all(missing.map((time) => makeKey(policy.alg, time, now))))]
  const name = isKept ? identity.value : randomBytes(16).toString('base64url')
  const isStored = JSON.stringify(ring) === text && sealed !== null && !isSealedByOldKey(authKeys, sealed.value)
  if (isStored) return makeRing(name, ring)
  const isWon = await store.commit({
    checks: [unchanged(keys.identity, identity), unchanged(keys.signingKeys, sealed)],
    puts: [
      ...(isKept ? [] : [put(keys.identity, name, null)]),
      put(keys.signingKeys, encrypt(authKeys, JSON.stringify(ring)), null),
    ],
    deletes: [],
  })
  return isWon ? makeRing(name, ring) : null
}

function makeRing(identity: string, found: readonly SigningKey[]): SigningRing {
  const signers = new Map<string, (claims: AccessClaims) => string>()
  for (const { kid, alg, privatePem } of found) {
    const sign = createSigner({ key: privatePem, algorithm: alg, header: { alg, kid, typ: 'at+jwt' } })
    signers.set(kid, (claims) => sign({ ...claims }))
  }
  return { identity, keys: found, signers }
}

const makePair = promisify(generateKeyPair) as (
  type: string,
  options: object,
) => Promise<{ publicKey: string; privateKey: string }>

const KEY_TYPES: Record<Algorithm, readonly [string, object]> = {
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
  RS256: ['rsa', { modulusLength: 2048 }],
}

async function makeKey(alg: Algorithm, time: SigningTime, madeAt: number): Promise<SigningKey> {
  const [type, options] = KEY_TYPES[alg]
  const encodings = {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }
  const { publicKey, privateKey } = await makePair(type, { ...options, ...encodings })
  return {
    kid: randomBytes(8).toString('base64url'),
    alg,
    ...time,
    madeAt,
    publicPem: publicKey,
    privatePem: privateKey,
  }
}

/** The public members of a key. */
export function publicJwk({ kid, alg, publicPem }: SigningKey): PublicJwk {
  return { ...createPublicKey(publicPem).export({ format: 'jwk' }), kid, alg, use: 'sig' } as PublicJwk
}
