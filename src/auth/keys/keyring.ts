import type { Config } from '../../config/environment.ts'
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

/** What a keyring works with, and where it records its events. */
export interface KeyringOptions extends RingOptions {
  readonly record: RecordEvent
}

/** The signing keys that all instances share. Until they are loaded, `sign`, `find`, `jwks` and `rotate` throw StoreUnavailable. */
export interface Keyring {
  /** The identity of the store that the keys came from; null until they are loaded. */
  readonly identity: () => string | null
  /** Why the keys cannot be used, in words for an operator; null: they can. */
  readonly fault: () => string | null
  /** Since when the key signs that signs now, ms since the epoch; null: the keys are not loaded. */
  readonly signsSince: () => number | null
  /**
   * Signs claims by the key whose time it is. Throws StoreUnavailable unless `identity`, under which the session was opened, is
   * still the store's.
   */
  readonly sign: (claims: Parameters<Sign>[0], identity: string) => string
  /** Finds the key of that name among those in force; undefined: there is none. */
  readonly find: (kid: unknown) => RingKey | undefined
  /** The public halves of the keys in force, RFC 7517. */
  readonly jwks: () => readonly PublicJwk[]
  /** Reads the keys again and makes those that are missing: of several instances one makes them, the others read them. */
  readonly reload: () => Promise<void>
  /** Makes the next key sign from now on; false: it has not been published for PUBLISHED_MS yet. */
  readonly rotate: () => Promise<boolean>
  /** Gives the store another identity and other keys: every token and session of before is dead, on every instance, for good. */
  readonly revokeEverything: (options?: { readonly isSecretLost?: boolean }) => Promise<void>
  readonly close: () => void
}

/** The key policy of these settings. */
export function keyPolicyOf(config: Config): KeyPolicy {
  const sessionMs = Math.max(config.SESSION_ABSOLUTE, config.REMEMBER_ABSOLUTE)
  return { alg: config.JWT_ALG, rotationMs: config.KEY_ROTATION, accessTtlMs: config.ACCESS_TTL, sessionMs }
}

const RELOAD_MS = 15_000
const RETRY_MS = 50
const NOT_LOADED = 'the signing keys are not loaded yet'

/**
 * Opens the keyring. It loads, reloads and rotates its keys in the background; while the store is away it works with those it
 * has.
 */
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

  const reload = (): Promise<void> => (loading ??= load({}).finally(() => (loading = null)))

  function demandRing(): SigningRing {
    if (ring === null) throw new StoreUnavailable(NOT_LOADED)
    return ring
  }

  return {
    identity: () => ring?.identity ?? null,
    fault: () => fault,
    signsSince: () => ring && (findSigningKey(ring.keys, policy.alg, options.clock())?.signsFrom ?? null),
    sign: (claims, identity) => signFor(identity, demandRing(), options)(claims),
    find: (kid) => demandRing().keys.find((key) => key.kid === kid),
    jwks: () => demandRing().keys.map(publicJwk),
    reload,
    async rotate() {
      const before = currentKid(options, demandRing().keys)
      await load({ keys: handOverFrom(before, options) })
      return currentKid(options, demandRing().keys) !== before
    },
    revokeEverything: ({ isSecretLost = false } = {}) => load({ revokesAll: true, isSecretLost }),
    close: keepFresh(reload, () => (ring === null ? RETRY_MS : Math.min(RELOAD_MS, policy.rotationMs / 4))),
  }
}

/** Reloads again and again, whether that succeeds or not, until the function that it returns is called. */
function keepFresh(reload: () => Promise<void>, pauseMs: () => number): () => void {
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  async function turn(): Promise<void> {
    await reload().catch(() => {}) // `fault` tells it
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

/** Hands over from the key of that name: of many commands given at once, one changes the ring. */
function handOverFrom(kid: string | undefined, options: RingOptions): NonNullable<RingChange['keys']> {
  return (found) => (currentKid(options, found) === kid ? handOver(found, options.policy, options.clock()) : found)
}

/** The name of the key that signs now. */
function currentKid({ policy, clock }: RingOptions, keys: readonly SigningKey[]): string | undefined {
  return findSigningKey(keys, policy.alg, clock())?.kid
}

function recordNews({ policy, clock, record }: KeyringOptions, before: SigningRing | null, after: SigningRing): void {
  const old = before && findSigningKey(before.keys, policy.alg, clock())
  const key = findSigningKey(after.keys, policy.alg, clock())
  if (before !== null && before.identity !== after.identity) record({ event: 'store.replaced' }, null)
  if (old && key && key.kid !== old.kid) record({ event: 'key.rotated', kid: key.kid, alg: key.alg }, null)
}
