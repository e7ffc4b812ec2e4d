import { Refused } from './errors.ts'

/** The scheme ends at one space or more, RFC 9110 section 11.4. */
const SCHEME = /^bearer(?: +|$)/i

/**
 * The text after `Bearer` in the value of Authorization, RFC 6750 section 2.1. Throws Refused `no_token` if there is none. Two
 * headers, joined by a comma as HTTP joins them, make a text that is no token.
 */
export function bearerText(authorization: string | null | undefined): string {
  const scheme = SCHEME.exec(authorization ?? '')
  if (scheme === null) throw new Refused('no_token')
  return (authorization as string).slice(scheme[0].length)
}
