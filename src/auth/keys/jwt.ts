import { createDecoder, createSigner, createVerifier } from 'fast-jwt'
import type { AccessClaims } from '../../domain/access-token.ts'
import { isCompactJws } from '../../domain/access-token.ts'
import type { SigningKey, VerifyingKey } from '../../domain/signing-keys.ts'

// What fast-jwt does for us: form, algorithm, type and signature of a JWT. Expiry and revocation are checked elsewhere, at each request.

/** The `typ` of an access token, RFC 9068 section 2.1. */
const TYP = 'at+jwt'

/** Signs the claims: a JWT. */
export type Sign = (claims: AccessClaims) => string

/** The payload of a JWT that the key has signed, whatever its age; null for any other text. */
export type VerifyJwt = (text: string) => unknown

/** Makes the function that signs by this key. */
export function signerOf({ kid, alg, privatePem }: SigningKey): Sign {
  const sign = createSigner({ key: privatePem, algorithm: alg, header: { alg, kid, typ: TYP } })
  return (claims) => sign({ ...claims })
}

/** Makes the function that verifies by this key: with its own algorithm and no other, RFC 8725 section 3.1. */
export function verifierOf({ alg, publicPem }: VerifyingKey): VerifyJwt {
  const verify = createVerifier({
    key: publicPem,
    algorithms: [alg],
    checkTyp: TYP,
    ignoreExpiration: true,
    cache: false,
  })
  return (text) => unlessFaulty(() => verify(text))
}

/** What the header of a token says about the key that signed it. */
export interface Header {
  readonly alg: unknown
  readonly kid: unknown
}

const HEADER_MEMBERS = new Set(['alg', 'typ', 'kid'])
const decode = createDecoder({ complete: true })

/**
 * Reads the header of a token that could be ours; null: it cannot. A header with other members than ours (jwk, jku, crit, b64,
 * …) cannot.
 */
export function readHeader(text: string): Header | null {
  const { header } = (isCompactJws(text) && unlessFaulty(() => decode(text) as { header: object })) || {}
  return header && Object.keys(header).every((name) => HEADER_MEMBERS.has(name)) ? (header as Header) : null
}

/** The result of the work; null if the library throws because of the token. */
function unlessFaulty<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}
