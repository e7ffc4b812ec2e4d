import { createPublicKey, generateKeyPair, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { createSigner } from 'fast-jwt'
import type { AccessClaims } from '../domain/access-token.ts'
import type { AuthKeys } from '../domain/auth-secret.ts'
import { decrypt, encrypt, isSealedByOldKey } from '../domain/auth-secret.ts'
import type { Algorithm, KeyPolicy, SigningKey, SigningTime } from '../domain/signing-keys.ts'
import { handOver, planKeys, signingKey } from '../domain/signing-keys.ts'
import type { RecordEvent } from '../events.ts'
import { keys } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import { StoreUnavailable, put, unchanged } from '../store/store.ts'
import { untilWon } from './until-won.ts'

export interface KeyringOptions {
  readonly store: Store
  readonly authKeys: AuthKeys
  readonly policy: KeyPolicy
  readonly clock: () => number
  readonly record: RecordEvent
}

/** A public key as the JWKS shows it, RFC 7517. */
export interface PublicJwk {
  readonly kid: string
  readonly alg: Algorithm
  readonly use: 'sig'
  readonly kty: string
  readonly [member: string]: string
}

/** The signing keys that all instances share. Methods that need the keys throw StoreUnavailable until they are loaded. */
export interface Keyring {
  /** Names the store the keys came from; null until they are loaded. */
  identity(): string | null
  /** Why the keys cannot be used, for an operator; null: they can. */
  fault(): string | null
  /** A signed JWT, `typ: at+jwt`, RFC 9068 section 2.1. */
  sign(claims: AccessClaims): string
  /** The public key of that name, if it is one of ours and still in force. */
  find(kid: unknown): SigningKey | undefined
  jwks(): readonly PublicJwk[]
  /** Reads the keys again; makes those that are missing. One instance wins, the others follow. */
  reload(): Promise<void>
  /** Makes the published next key sign from now on. */
  rotate(): Promise<void>
  close(): void
}

interface Ring {
  readonly identity: string
  readonly keys: readonly SigningKey[]
  readonly signers: ReadonlyMap<string, (claims: AccessClaims) => string>
}

const RELOAD_MS = 15_000
const RETRY_MS = 250
const UNREADABLE =
  'the signing keys in the store are sealed under another AUTH_SECRET: list the old one behind the new one'

/** Opens the keyring; it loads, reloads and rotates in the background and outlives the store's absence. */
export function openKeyring({ store, authKeys, policy, clock, record }: KeyringOptions): Keyring {
  let ring: Ring | null = null
  let isUnreadable = false
  let loading: Promise<void> | null = null
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  /** One try at bringing the stored ring up to date; null: another instance was quicker. */
  async function update(change: (found: readonly SigningKey[]) => readonly SigningKey[]): Promise<Ring | null> {
    const [identity, sealed] = await store.getMany([keys.identity, keys.signingKeys])
    const text = sealed && identity ? decrypt(authKeys, sealed.value) : '[]'
    isUnreadable = text === null
    if (text === null) throw new StoreUnavailable(UNREADABLE)
    const found = JSON.parse(text) as readonly SigningKey[]
    const { kept, missing } = planKeys(change(found), policy, clock())
    const made = await Promise.all(missing.map((time) => makeKey(policy.alg, time)))
    const planned = [...kept, ...made]
    const isNews = JSON.stringify(planned) !== text || (sealed !== null && isSealedByOldKey(authKeys, sealed.value))
    const name = identity?.value ?? randomBytes(16).toString('base64url')
    if (!isNews) return makeRing(name, planned)
    const isWon = await store.commit({
      checks: [unchanged(keys.identity, identity), unchanged(keys.signingKeys, sealed)],
      puts: [put(keys.identity, name, null), put(keys.signingKeys, encrypt(authKeys, JSON.stringify(planned)), null)],
      deletes: [],
    })
    return isWon ? makeRing(name, planned) : null
  }

  function adopt(next: Ring): void {
    const before = ring && signingKey(ring.keys, policy.alg, clock())?.kid
    const now = signingKey(next.keys, policy.alg, clock())
    if (ring !== null && ring.identity !== next.identity) record('store.replaced', {}, null)
    if (now !== undefined && now.kid !== before) record('key.rotated', { kid: now.kid, alg: now.alg }, null)
    ring = next
  }

  async function load(change = (found: readonly SigningKey[]) => found): Promise<void> {
    adopt(await untilWon(() => update(change)))
  }

  function reload(): Promise<void> {
    loading ??= load().finally(() => (loading = null))
    return loading
  }

  function keepFresh(): void {
    reload().then(
      () => schedule(Math.min(RELOAD_MS, policy.rotationMs / 4)),
      () => schedule(ring === null ? RETRY_MS : RELOAD_MS / 5),
    )
  }

  function schedule(ms: number): void {
    if (!isClosed) timer = setTimeout(keepFresh, ms).unref()
  }

  function loaded(): Ring {
    if (ring === null) throw new StoreUnavailable('the signing keys are not loaded yet')
    return ring
  }

  keepFresh()
  return {
    identity: () => ring?.identity ?? null,
    fault() {
      if (isUnreadable) return UNREADABLE
      return ring === null ? 'the signing keys are not loaded yet' : null
    },
    sign(claims) {
      const { keys: found, signers } = loaded()
      const key = signingKey(found, policy.alg, clock())
      const sign = key && signers.get(key.kid)
      if (sign === undefined) throw new StoreUnavailable('no key signs now')
      return sign(claims)
    },
    find: (kid) => loaded().keys.find((key) => key.kid === kid),
    jwks: () => loaded().keys.map(publicJwk),
    reload,
    rotate: () => load((found) => handOver(found, policy, clock())),
    close() {
      isClosed = true
      clearTimeout(timer)
    },
  }
}

function makeRing(identity: string, found: readonly SigningKey[]): Ring {
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

async function makeKey(alg: Algorithm, time: SigningTime): Promise<SigningKey> {
  const [type, options] = KEY_TYPES[alg]
  const encodings = {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }
  const { publicKey, privateKey } = await makePair(type, { ...options, ...encodings })
  return { kid: randomBytes(8).toString('base64url'), alg, ...time, publicPem: publicKey, privatePem: privateKey }
}

function publicJwk({ kid, alg, publicPem }: SigningKey): PublicJwk {
  return { ...createPublicKey(publicPem).export({ format: 'jwk' }), kid, alg, use: 'sig' } as PublicJwk
}
