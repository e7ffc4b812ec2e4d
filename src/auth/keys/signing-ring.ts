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
import { type VerifyJwt, type Sign, verifierOf, signerOf } from './jwt.ts'
import { putRetired } from './retired-keys.ts'

/** All signing keys, as the store with that identity had them. */
export interface SigningRing {
  readonly identity: string
  /** The identities that the store was made to give up, as far as this instance has heard. */
  readonly former: readonly string[]
  readonly keys: readonly RingKey[]
}

/** A key, with the functions that sign and verify by it. */
export interface RingKey extends SigningKey {
  readonly sign: Sign
  readonly verify: VerifyJwt
}

/** The keys in the store are encrypted under an AUTH_SECRET that this instance does not have. They are not overwritten. */
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

/** Where the ring lives, what encrypts it, and what the settings ask of its keys. */
export interface RingOptions {
  readonly store: Store
  readonly authKeys: AuthKeys
  readonly policy: KeyPolicy
  readonly clock: () => number
}

const PLACES = [keys.identity, keys.signingKeys, keys.formerIdentities] as const

/** What to change in the ring that the store has. */
export interface RingChange {
  readonly keys?: (found: readonly SigningKey[]) => readonly SigningKey[]
  /** Gives the store another identity and other keys: all tokens and sessions of before are dead. */
  readonly revokesAll?: boolean
  /** Replaces keys that cannot be decrypted, too. */
  readonly isSecretLost?: boolean
}

/**
 * Tries once to apply `change` to the ring in the store and to bring it up to date; null: another instance was quicker. A store
 * that has one of the `former` identities, or none, was restored or replaced: it gets a new identity. Throws UnreadableKeys.
 */
export async function updateRing(
  { store, authKeys, policy, clock }: RingOptions,
  change: RingChange,
  former: readonly string[],
): Promise<SigningRing | null> {
  const [identity, sealed, given] = await store.getMany(PLACES)
  const known = [...new Set([...(given?.value ?? []), ...former])]
  const name = planIdentity(identity?.value ?? null, known, change.revokesAll === true)
  const text = sealed ? decrypt(authKeys, sealed.value) : '[]'
  if (text === null && change.isSecretLost !== true) throw new UnreadableKeys()
  const readable = text === null ? [] : (JSON.parse(text) as SigningKey[])
  const found = name.isNew ? [] : readable
  const now = clock()
  const { kept, missing } = planKeys(change.keys?.(found) ?? found, policy, now)
  const ring = [...kept, ...(await Promise.all(missing.map((time) => makeKey(policy.alg, time, now))))]
  const isUpToDate = JSON.stringify(ring) === text && sealed !== null && !isEncryptedByOldKey(authKeys, sealed.value)
  if (isUpToDate && !name.isNew) return makeRing(name, ring)
  const isWon = await store.commit({
    checks: [
      unchanged(keys.identity, identity),
      unchanged(keys.signingKeys, sealed),
      unchanged(keys.formerIdentities, given),
    ],
    puts: [
      ...(name.isNew ? [put(keys.identity, name.identity, null), put(keys.formerIdentities, name.former, null)] : []),
      put(keys.signingKeys, encrypt(authKeys, JSON.stringify(ring)), null),
      ...putRetired(readable, ring, now + policy.sessionMs + MARGIN_MS),
    ],
    deletes: [],
  })
  return isWon ? makeRing(name, ring) : null
}

interface IdentityPlan {
  readonly identity: string
  readonly former: readonly string[]
  readonly isNew: boolean
}

/** Decides which identity the store has from now on: the one that was found, or a new one. */
function planIdentity(found: string | null, former: readonly string[], isGivenUp: boolean): IdentityPlan {
  if (found !== null && !isGivenUp && !former.includes(found)) return { identity: found, former, isNew: false }
  const past = found === null ? former : [...new Set([...former, found])]
  return { identity: randomBytes(16).toString('base64url'), former: past, isNew: true }
}

function makeRing({ identity, former }: IdentityPlan, found: readonly SigningKey[]): SigningRing {
  return { identity, former, keys: found.map((key) => ({ ...key, sign: signerOf(key), verify: verifierOf(key) })) }
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

/** The public half of a key as a JWK, RFC 7517 section 4. */
export function publicJwk({ kid, alg, publicPem }: SigningKey): PublicJwk {
  return { ...createPublicKey(publicPem).export({ format: 'jwk' }), kid, alg, use: 'sig' } as PublicJwk
}
