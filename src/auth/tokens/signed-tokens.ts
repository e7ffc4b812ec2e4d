import type { Deps } from '../../deps.ts'
import { type AccessClaims, readClaims } from '../../domain/access-token.ts'
import { type MachineClaims, readMachineClaims } from '../../domain/machine-token.ts'
import { keys } from '../../store/keys.ts'
import { StoreUnavailable } from '../../store/store.ts'
import { atMostEvery } from '../at-most-every.ts'
import { type Header, readHeader, verifierOf } from '../keys/jwt.ts'
import { readRetiredKey } from '../keys/retired-keys.ts'
import type { RingKey } from '../keys/signing-ring.ts'

/** An access token that a key of the store with this identity has signed. Whether it has expired or is revoked is not checked. */
export type VerifiedToken = PersonToken | MachineToken

/** The token of a person's session. */
export interface PersonToken {
  readonly kind: 'person'
  readonly claims: AccessClaims
  readonly identity: string
  /** The keys to read for its revocation: the identity of the store, then the entries of the denylist that would deny the token. */
  readonly deniedAt: ReturnType<typeof denialKeys>
}

/** The token of a client that acts for itself. */
export interface MachineToken {
  readonly kind: 'machine'
  readonly claims: MachineClaims
  readonly identity: string
  readonly deniedAt: ReturnType<typeof machineDenialKeys>
}

/** Reads an access token of any age, issuer, audience and client; null: none of these keys has signed it. */
export type ReadSigned = (text: string) => Promise<VerifiedToken | null>

/** The keys are read again for a key that is not known, but with a pause of this many ms: forged tokens can name any key. */
const RELOAD_PAUSE_MS = 50

/** Reads tokens by the keys in force, RFC 7515 section 5.2. Throws StoreUnavailable until the keys are loaded. */
export function bySigningKeys({ keyring }: Deps): ReadSigned {
  const reload = atMostEvery(RELOAD_PAUSE_MS, keyring.reload)

  /** Finds the key that the header names; another instance may have made it just now. */
  async function findKey({ kid, alg }: Header): Promise<RingKey | null> {
    const key = keyring.find(kid) ?? (await reload().then(() => keyring.find(kid)))
    return key !== undefined && key.alg === alg ? key : null
  }

  return async (text) => {
    const identity = keyring.identity()
    if (identity === null) throw new StoreUnavailable('the signing keys are not loaded yet')
    const header = readHeader(text)
    const key = header && (await findKey(header))
    const payload = key && key.verify(text)
    if (identity !== keyring.identity()) throw new StoreUnavailable('the store has been replaced')
    return verifiedToken(payload, identity)
  }
}

/** Reads tokens by the keys that have left the ring. Each costs a read of the store. */
export function byRetiredKeys({ keyring, store }: Deps): ReadSigned {
  return async (text) => {
    const header = readHeader(text)
    const key = header && (await readRetiredKey(store, header.kid))
    if (key === null || key.alg !== header?.alg) return null
    return verifiedToken(verifierOf(key)(text), keyring.identity() as string)
  }
}

/** The token of a payload that was signed, frozen: the cache hands it to many requests. Null: it is no token of ours. */
function verifiedToken(payload: unknown, identity: string): VerifiedToken | null {
  const claims = readClaims(payload)
  if (claims !== null)
    return Object.freeze({ kind: 'person', claims: Object.freeze(claims), identity, deniedAt: denialKeys(claims) })
  const machine = readMachineClaims(payload)
  if (machine === null) return null
  const deniedAt = machineDenialKeys(machine)
  return Object.freeze({ kind: 'machine', claims: Object.freeze(machine), identity, deniedAt })
}

function denialKeys({ sub, jti, sid }: AccessClaims) {
  return [keys.identity, keys.deniedToken(sub, jti), keys.deniedBelow(sub), keys.deniedSession(sub, sid)] as const
}

function machineDenialKeys({ sub, jti }: MachineClaims) {
  return [keys.identity, keys.deniedClientToken(sub, jti), keys.deniedClientBelow(sub)] as const
}
