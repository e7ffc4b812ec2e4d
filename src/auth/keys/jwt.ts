import { createDecoder, createSigner, createVerifier } from 'fast-jwt'
import type { AccessClaims } from '../../domain/access-token.ts'
import { isCompactJws } from '../../domain/access-token.ts'
import type { SigningKey, VerifyingKey } from '../../domain/signing-keys.ts'

// What the library does for us: form, algorithm, type and signature. Time and revocation are judged at each request, by us.

/** The `typ` of an access token, RFC 9068 section 2.1. */
const TYP = 'at+jwt'

/** Makes a JWT of the claims. */
export type Sign = (claims: AccessClaims) => string

/** The payload of a JWT that the key has signed, whatever its age; null for any other. */
export type CheckSignature = (text: string) => unknown

/** How the key signs. */
export function signerOf({ kid, alg, privatePem }: SigningKey): Sign {
  const sign = createSigner({ key: privatePem, algorithm: alg, header: { alg, kid, typ: TYP } })
  return (claims) => sign({ ...claims })
}

/** How the key verifies: by its own algorithm and no other, RFC 8725 section 3.1. */
export function signatureCheckOf({ alg, publicPem }: VerifyingKey): CheckSignature {
  const verify = createVerifier({
    key: publicPem,
    algorithms: [alg],
    checkTyp: TYP,
    ignoreExpiration: true,
    cache: false,
  })
  return (text) => unlessFaulty(() => verify(text))
}

/** What a token says of the key that signed it. */
export interface Header {
  readonly alg: unknown
  readonly kid: unknown
}

const HEADER_MEMBERS = new Set(['alg', 'typ', 'kid'])
const decode = createDecoder({ complete: true })

/** The header of a token that could be ours; null: none. One that says more than ours do (jwk, jku, crit, b64, …) is none. */
export function readHeader(text: string): Header | null {
  const { header } = (isCompactJws(text) && unlessFaulty(() => decode(text) as { header: object })) || {}
  return header && Object.keys(header).every((name) => HEADER_MEMBERS.has(name)) ? (header as Header) : null
}

/** Null where the library finds a fault with the token. */
function unlessFaulty<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}
