import type { AccessClaims } from '../../domain/access-token.ts'
import { keys } from '../../store/keys.ts'

/** A token whose signature and claims have been checked under the keys of the store `identity`. Says nothing of expiry or revocation. */
export interface VerifiedToken {
  readonly claims: AccessClaims
  readonly identity: string
  /** Where the store would deny it, and where it names itself. */
  readonly deniedAt: ReturnType<typeof denialKeys>
}

/** Remembers verified tokens by their text, so that a signature is checked once; the oldest make room. */
export interface ClaimsCache {
  get(text: string): VerifiedToken | undefined
  set(text: string, token: VerifiedToken): void
}

/** Enough of the end of a token, where its signature is, to find it by; whether it is the same token all of the text tells. Hashing all of it would cost more. */
const NAME_LENGTH = 32

/** A cache of at most `capacity` tokens. */
export function makeClaimsCache(capacity: number): ClaimsCache {
  const tokens = new Map<string, { readonly text: string; readonly token: VerifiedToken }>()
  return {
    get(text) {
      const found = tokens.get(text.slice(-NAME_LENGTH))
      return found?.text === text ? found.token : undefined
    },
    set(text, token) {
      if (tokens.size >= capacity) tokens.delete(tokens.keys().next().value as string)
      tokens.set(text.slice(-NAME_LENGTH), { text, token })
    },
  }
}

/** Freezes what is to be remembered of a verified token. */
export function verifiedToken(claims: AccessClaims, identity: string): VerifiedToken {
  return Object.freeze({ claims: Object.freeze(claims), identity, deniedAt: denialKeys(claims) })
}

function denialKeys({ sub, jti, sid }: AccessClaims) {
  return [keys.identity, keys.deniedToken(sub, jti), keys.deniedSession(sub, sid), keys.deniedBelow(sub)] as const
}
