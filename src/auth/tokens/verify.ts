import type { Deps } from '../../deps.ts'
import { isIssuedAs, type Issuer } from '../../domain/access-token.ts'
import { confirmRotation } from '../sessions/confirm-rotation.ts'
import { makeClaimsCache } from './claims-cache.ts'
import { issuerOf } from './issue.ts'
import { byRetiredKeys, bySigningKeys, type PersonToken, type VerifiedToken } from './signed-tokens.ts'

/** A token that a key of ours has signed. `isAdmissible`: it lets its bearer in if it is alive. */
export interface SignedToken {
  readonly token: VerifiedToken
  readonly isAdmissible: boolean
}

/** Such a token that names a session. */
export interface NamingToken extends SignedToken {
  readonly token: PersonToken
}

/**
 * Verifies access tokens. Expiry and revocation are not checked here (see denylist.ts). Throws StoreUnavailable until the keys
 * are loaded.
 */
export interface Verifier {
  /**
   * The token, if a key in force has signed it, and it is a person's with our issuer, audience and client, or a client's own with our
   * issuer, of any audience. Null: it lets nobody in.
   */
  readonly verify: (text: string) => Promise<VerifiedToken | null>
  /** The token, if `verify` has verified this text before; undefined: ask `verify`. Costs nothing. */
  readonly recall: (text: string) => VerifiedToken | undefined
  /**
   * The token, if a key in force or a retired one has signed it, of any age, issuer, audience and client: it need not let anybody
   * in. Null: it is not ours.
   */
  readonly verifySignature: (text: string) => Promise<SignedToken | null>
}

const CACHED_TOKENS = 10_000

/** Makes a verifier with a cache of its own. */
export function makeVerifier(deps: Deps): Verifier {
  const cache = makeClaimsCache(CACHED_TOKENS)
  const issuer = issuerOf(deps)
  const [readSigned, readRetired] = [bySigningKeys(deps), byRetiredKeys(deps)]

  function recall(text: string): VerifiedToken | undefined {
    const token = cache.get(text)
    return token?.identity === deps.keyring.identity() ? token : undefined
  }

  /** Reads a text that is met for the first time, and remembers a token that lets its bearer in. */
  async function meet(text: string): Promise<SignedToken | null> {
    const token = await readSigned(text)
    if (token === null || !isOurs(token, issuer)) return token && { token, isAdmissible: false }
    cache.set(text, token)
    if (token.kind === 'person' && mayConfirm(token.claims)) confirmRotation(deps, token.claims).catch(() => {}) // a lost confirmation is harmless
    return { token, isAdmissible: true }
  }

  async function verify(text: string): Promise<VerifiedToken | null> {
    const known = recall(text)
    if (known !== undefined) return known
    const met = await meet(text)
    return met?.isAdmissible ? met.token : null
  }

  async function verifySignature(text: string): Promise<SignedToken | null> {
    const known = recall(text)
    if (known !== undefined) return { token: known, isAdmissible: true }
    const met = await meet(text)
    if (met !== null) return met
    const token = await readRetired(text)
    return token && { token, isAdmissible: false }
  }

  return { recall, verify, verifySignature }
}

/** Whether it can be news that the token has come back: it is of a rotation, or a second step may have opened its session. */
function mayConfirm({ rtc, acr }: PersonToken['claims']): boolean {
  return rtc > 0 || acr === 'aal2'
}

function isOurs({ kind, claims }: VerifiedToken, issuer: Issuer): boolean {
  return kind === 'person' ? isIssuedAs(claims, issuer) : claims.iss === issuer.iss
}
