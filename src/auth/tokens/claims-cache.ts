import type { VerifiedToken } from './signed-tokens.ts'

/** Remembers verified tokens by their text, so that each signature is checked once; the oldest are forgotten first. */
export interface ClaimsCache {
  get(text: string): VerifiedToken | undefined
  set(text: string, token: VerifiedToken): void
}

/**
 * Tokens are found by this many of their last characters, part of the signature, then compared as a whole: to hash the whole
 * text would cost more.
 */
const NAME_LENGTH = 32

/** Makes a cache of at most `capacity` tokens. */
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
