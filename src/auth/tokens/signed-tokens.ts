import type { Deps } from '../../deps.ts'
import { type AccessClaims, readClaims } from '../../domain/access-token.ts'
import { keys } from '../../store/keys.ts'
import { StoreUnavailable } from '../../store/store.ts'
import { atMostEvery } from '../at-most-every.ts'
import { type Header, readHeader, signatureCheckOf } from '../keys/jwt.ts'
import { findRetiredKey } from '../keys/retired-keys.ts'
import type { RingKey } from '../keys/signing-ring.ts'

/** An access token that a key of the store `identity` has signed. Says nothing of expiry or revocation. */
export interface VerifiedToken {
  readonly claims: AccessClaims
  readonly identity: string
  /** Where the store names itself, and where it would deny the token. */
  readonly deniedAt: ReturnType<typeof denialKeys>
}

/** Reads a text as a token of ours, of whatever age, issuer, audience or client; null: no key of ours has signed it. */
export type ReadSigned = (text: string) => Promise<VerifiedToken | null>

/** How often at most a key that is not known is looked for in the store. */
const LOOK_MS = 50

/** By the keys in force, RFC 7515 section 5.2. Throws StoreUnavailable while they are not known. */
export function bySigningKeys({ keyring }: Deps): ReadSigned {
  const lookAgain = atMostEvery(LOOK_MS, keyring.reload)

  /** Another instance may have made it just now. */
  async function findKey({ kid, alg }: Header): Promise<RingKey | null> {
    const key = keyring.find(kid) ?? (await lookAgain().then(() => keyring.find(kid)))
    return key !== undefined && key.alg === alg ? key : null
  }

  return async (text) => {
    const identity = keyring.identity()
    if (identity === null) throw new StoreUnavailable('the signing keys are not loaded yet')
    const header = readHeader(text)
    const key = header && (await findKey(header))
    const claims = key && readClaims(key.check(text))
    if (identity !== keyring.identity()) throw new StoreUnavailable('the store has been replaced')
    return claims && verifiedToken(claims, identity)
  }
}

/** By the keys that have left the ring. Costs a read. */
export function byRetiredKeys({ keyring, store }: Deps): ReadSigned {
  return async (text) => {
    const header = readHeader(text)
    const key = header && (await findRetiredKey(store, header.kid))
    if (key === null || key.alg !== header?.alg) return null
    const claims = readClaims(signatureCheckOf(key)(text))
    return claims && verifiedToken(claims, keyring.identity() as string)
  }
}

/** Freezes what is to be remembered of a token. */
function verifiedToken(claims: AccessClaims, identity: string): VerifiedToken {
  return Object.freeze({ claims: Object.freeze(claims), identity, deniedAt: denialKeys(claims) })
}

function denialKeys({ sub, jti, sid }: AccessClaims) {
  return [keys.identity, keys.deniedToken(sub, jti), keys.deniedSession(sub, sid), keys.deniedBelow(sub)] as const
}
