import type { Deps } from '../../deps.ts'
import { type AccessClaims, readClaims } from '../../domain/access-token.ts'
import { keys } from '../../store/keys.ts'
import { StoreUnavailable } from '../../store/store.ts'
import { atMostEvery } from '../at-most-every.ts'
import { type Header, readHeader, verifierOf } from '../keys/jwt.ts'
import { readRetiredKey } from '../keys/retired-keys.ts'
import type { RingKey } from '../keys/signing-ring.ts'

/** An access token that a key of the store with this identity has signed. Whether it has expired or is revoked is not checked. */
export interface VerifiedToken {
  readonly claims: AccessClaims
  readonly identity: string
  /** The keys to read for its revocation: the identity of the store, then the entries of the denylist that would deny the token. */
  readonly deniedAt: ReturnType<typeof denialKeys>
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
    const claims = key && readClaims(key.verify(text))
    if (identity !== keyring.identity()) throw new StoreUnavailable('the store has been replaced')
    return claims && verifiedToken(claims, identity)
  }
}

/** Reads tokens by the keys that have left the ring. Each costs a read of the store. */
export function byRetiredKeys({ keyring, store }: Deps): ReadSigned {
  return async (text) => {
    const header = readHeader(text)
    const key = header && (await readRetiredKey(store, header.kid))
    if (key === null || key.alg !== header?.alg) return null
    const claims = readClaims(verifierOf(key)(text))
    return claims && verifiedToken(claims, keyring.identity() as string)
  }
}

/** A verified token, frozen: the cache hands it to many requests. */
function verifiedToken(claims: AccessClaims, identity: string): VerifiedToken {
  return Object.freeze({ claims: Object.freeze(claims), identity, deniedAt: denialKeys(claims) })
}

function denialKeys({ sub, jti, sid }: AccessClaims) {
  return [keys.identity, keys.deniedToken(sub, jti), keys.deniedSession(sub, sid), keys.deniedBelow(sub)] as const
}
