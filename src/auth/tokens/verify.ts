import type { Deps } from '../../deps.ts'
import { isIssuedAs } from '../../domain/access-token.ts'
import { confirmRotation } from '../sessions/confirm.ts'
import { makeClaimsCache } from './claims-cache.ts'
import { issuerOf } from './issue.ts'
import { byRetiredKeys, bySigningKeys, type VerifiedToken } from './signed-tokens.ts'

/** A token that names a session. `isAdmissible`: it could let its bearer in, if it is alive. */
export interface NamingToken {
  readonly token: VerifiedToken
  readonly isAdmissible: boolean
}

/** Verifies the text of access tokens. Time and revocation are not judged (see denylist.ts). Throws StoreUnavailable while the keys are not known. */
export interface Verifier {
  /** The token, if we issued it for our audience and client, and a key in force has signed it; null: none that could let anybody in. */
  readonly verify: (text: string) => Promise<VerifiedToken | null>
  /** What `verify` would say of a text that it has verified before, at no cost. */
  readonly recall: (text: string) => VerifiedToken | undefined
  /**
   * The token, if any of our keys signed it, in force or retired, whatever its age, issuer, audience or client: enough to name
   * a session, and to let nobody in. Null: none of ours.
   */
  readonly identify: (text: string) => Promise<NamingToken | null>
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

  async function verify(text: string): Promise<VerifiedToken | null> {
    const known = recall(text)
    if (known !== undefined) return known
    const token = await readSigned(text)
    if (token === null || !isIssuedAs(token.claims, issuer)) return null
    cache.set(text, token)
    if (token.claims.rtc > 0) confirmRotation(deps, token.claims).catch(() => {}) // losing it is harmless
    return token
  }

  async function identify(text: string): Promise<NamingToken | null> {
    const admissible = await verify(text)
    if (admissible !== null) return { token: admissible, isAdmissible: true }
    const token = (await readSigned(text)) ?? (await readRetired(text))
    return token && { token, isAdmissible: false }
  }

  return { recall, verify, identify }
}
