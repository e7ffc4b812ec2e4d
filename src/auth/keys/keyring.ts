import type { Config } from '../../config/environment.ts'
import type { AccessClaims } from '../../domain/access-token.ts'
import { handOver, type KeyPolicy, findSigningKey, type SigningKey } from '../../domain/signing-keys.ts'
import type { RecordEvent } from '../../events/security-events.ts'
import { StoreUnavailable } from '../../store/store.ts'
import { untilWon } from '../until-won.ts'
import type { Sign } from './jwt.ts'
import {
  publicJwk,
  type PublicJwk,
  type RingKey,
  type RingChange,
  type RingOptions,
  type SigningRing,
  UnreadableKeys,
  updateRing,
} from './signing-ring.ts'

export interface KeyringOptions extends RingOptions {
  readonly record: RecordEvent
}

/** The signing keys that all instances share. What needs the keys throws StoreUnavailable until they are loaded. */
export interface Keyring {
  /** Names the store the keys came from; null until they are loaded. */
  readonly identity: () => string | null
  /** Why the keys cannot be used, for an operator; null: they can. */
  readonly fault: () => string | null
  /** A signed JWT by the key whose time it is, for a session of the store of that identity; of another, nothing is signed. */
  readonly sign: (claims: AccessClaims, identity: string) => string
  /** The key of that name, if it is one of ours and still in force. */
  readonly find: (kid: unknown) => RingKey | undefined
  readonly jwks: () => readonly PublicJwk[]
  /** Reads the keys again; makes those that are missing. One instance wins, the others follow. */
  readonly reload: () => Promise<void>
  /** Makes the published next key sign from now on; false if it has not been published for long enough. */
  readonly rotate: () => Promise<boolean>
  /** Gives the store another identity and other keys: every token and session of until now is dead, on every instance, for good. */
  readonly revokeEverything: (options?: { readonly isSecretLost?: boolean }) => Promise<void>
  readonly close: () => void
}

/** What the settings ask of the signing keys. */
export function keyPolicyOf(config: Config): KeyPolicy {
  const sessionMs = Math.max(config.SESSION_ABSOLUTE, config.REMEMBER_ABSOLUTE)
  return { alg: config.JWT_ALG, rotationMs: config.KEY_ROTATION, accessTtlMs: config.ACCESS_TTL, sessionMs }
}

const RELOAD_MS = 15_000
const RETRY_MS = 50
const NOT_LOADED = 'the signing keys are not loaded yet'

/** Opens the keyring; it loads, reloads and rotates in the background and outlives the store's absence. */
export function openKeyring(options: KeyringOptions): Keyring {
  const { policy } = options
  let ring: SigningRing | null = null
  let fault: string | null = NOT_LOADED
  let loading: Promise<void> | null = null

  async function load(change: RingChange): Promise<void> {
    try {
      const next = await untilWon(() => updateRing(options, change, ring?.former ?? []))
      recordNews(options, ring, next)
      ring = next
      fault = null
    } catch (error) {
      if (error instanceof UnreadableKeys) fault = error.message
      throw error
    }
  }

  function reload(): Promise<void> {
    loading ??= load({}).finally(() => (loading = null))
    return loading
  }

  function loaded(): SigningRing {
    if (ring === null) throw new StoreUnavailable(NOT_LOADED)
    return ring
  }

  return {
    identity: () => ring?.identity ?? null,
    fault: () => fault,
    sign: (claims, identity) => signFor(identity, loaded(), options)(claims),
    find: (kid) => loaded().keys.find((key) => key.kid === kid),
    jwks: () => loaded().keys.map(publicJwk),
    reload,
    async rotate() {
      const before = signer(options, loaded().keys)
      await load({ keys: handOverFrom(before, options) })
      return signer(options, loaded().keys) !== before
    },
    revokeEverything: ({ isSecretLost = false } = {}) => load({ givesUp: true, isSecretLost }),
    close: keepFresh(reload, () => (ring === null ? RETRY_MS : Math.min(RELOAD_MS, policy.rotationMs / 4))),
  }
}

/** Reloads for ever, whether it succeeds or not; the function it gives back ends that. */
function keepFresh(reload: () => Promise<void>, pauseMs: () => number): () => void {
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  async function turn(): Promise<void> {
    await reload().catch(() => {}) // the fault is told by whoever needs the keys
    if (!isClosed) timer = setTimeout(() => void turn(), pauseMs()).unref()
  }
  void turn()
  return () => {
    isClosed = true
    clearTimeout(timer)
  }
}

function signFor(identity: string, ring: SigningRing, { policy, clock }: RingOptions): Sign {
  if (identity !== ring.identity) throw new StoreUnavailable('the store has another identity since')
  const key = findSigningKey(ring.keys, policy.alg, clock())
  if (key === undefined) throw new StoreUnavailable('no key signs now')
  return key.sign
}

/** Hands over from the key of that name: of many commands given at once one does. */
function handOverFrom(kid: string | undefined, options: RingOptions): NonNullable<RingChange['keys']> {
  return (found) => (signer(options, found) === kid ? handOver(found, options.policy, options.clock()) : found)
}

/** The name of the key that signs now. */
function signer({ policy, clock }: RingOptions, keys: readonly SigningKey[]): string | undefined {
  return findSigningKey(keys, policy.alg, clock())?.kid
}

function recordNews({ policy, clock, record }: KeyringOptions, before: SigningRing | null, after: SigningRing): void {
  const old = before && findSigningKey(before.keys, policy.alg, clock())
  const key = findSigningKey(after.keys, policy.alg, clock())
  if (before !== null && before.identity !== after.identity) record({ event: 'store.replaced' }, null)
  if (old && key && key.kid !== old.kid) record({ event: 'key.rotated', kid: key.kid, alg: key.alg }, null)
}
