import type { VerifiedToken } from './signed-tokens.ts'

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
