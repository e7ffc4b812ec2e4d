import { createPublicKey, generateKeyPair, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { type AuthKeys, decrypt, encrypt, isEncryptedByOldKey } from '../../domain/auth-secret.ts'
import { MARGIN_MS } from '../../domain/revocation.ts'
import {
  type Algorithm,
  type KeyPolicy,
  planKeys,
  type SigningKey,
  type SigningTime,
} from '../../domain/signing-keys.ts'
import { keys } from '../../store/keys.ts'
import { put, type Store, StoreUnavailable, unchanged } from '../../store/store.ts'
import { type CheckSignature, type Sign, signatureCheckOf, signerOf } from './jwt.ts'
import { retire } from './retired-keys.ts'

/** All signing keys, as the store of that identity had them. */
export interface SigningRing {
  readonly identity: string
  /** Identities that were given up on purpose, as far as we ever heard. */
  readonly former: readonly string[]
  readonly keys: readonly RingKey[]
}

/** A key, and what it does. */
export interface RingKey extends SigningKey {
  readonly sign: Sign
  readonly check: CheckSignature
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

const PLACES = [keys.identity, keys.signingKeys, keys.formerIdentities] as const

/** What is to be made of the ring that was found. */
export interface RingChange {
  readonly keys?: (found: readonly SigningKey[]) => readonly SigningKey[]
  /** Gives up the store's identity, and all its keys. */
  readonly givesUp?: boolean
  /** Keys that cannot be read are given up, too. */
  readonly isSecretLost?: boolean
}

/**
 * One try at bringing the store's ring up to date, with `change` first; null: another instance was quicker. A store that
 * comes back with one of the `former` identities, or without any, gets a new one.
 */
export async function updateRing(
  { store, authKeys, policy, clock }: RingOptions,
  change: RingChange,
  former: readonly string[],
): Promise<SigningRing | null> {
  const [identity, sealed, given] = await store.getMany(PLACES)
  const known = [...new Set([...(given?.value ?? []), ...former])]
  const name = nextName(identity?.value ?? null, known, change.givesUp === true)
  const text = sealed ? decrypt(authKeys, sealed.value) : '[]'
  if (text === null && change.isSecretLost !== true) throw new UnreadableKeys()
  const readable = text === null ? [] : (JSON.parse(text) as SigningKey[])
  const found = name.isNew ? [] : readable
  const now = clock()
  const { kept, missing } = planKeys(change.keys?.(found) ?? found, policy, now)
  const ring = [...kept, ...(await Promise.all(missing.map((time) => makeKey(policy.alg, time, now))))]
  const isSealed = JSON.stringify(ring) === text && sealed !== null && !isEncryptedByOldKey(authKeys, sealed.value)
  if (isSealed && !name.isNew) return makeRing(name, ring)
  const isWon = await store.commit({
    checks: [
      unchanged(keys.identity, identity),
      unchanged(keys.signingKeys, sealed),
      unchanged(keys.formerIdentities, given),
    ],
    puts: [
      ...(name.isNew ? [put(keys.identity, name.identity, null), put(keys.formerIdentities, name.former, null)] : []),
      put(keys.signingKeys, encrypt(authKeys, JSON.stringify(ring)), null),
      ...retire(readable, ring, now + policy.sessionMs + MARGIN_MS),
    ],
    deletes: [],
  })
  return isWon ? makeRing(name, ring) : null
}

interface Name {
  readonly identity: string
  readonly former: readonly string[]
  readonly isNew: boolean
}

/** What the store is to be called from now on. */
function nextName(found: string | null, former: readonly string[], isGivenUp: boolean): Name {
  if (found !== null && !isGivenUp && !former.includes(found)) return { identity: found, former, isNew: false }
  const past = found === null ? former : [...new Set([...former, found])]
  return { identity: randomBytes(16).toString('base64url'), former: past, isNew: true }
}

function makeRing({ identity, former }: Name, found: readonly SigningKey[]): SigningRing {
  return { identity, former, keys: found.map((key) => ({ ...key, sign: signerOf(key), check: signatureCheckOf(key) })) }
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
