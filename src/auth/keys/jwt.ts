import { createPrivateKey, sign } from 'node:crypto'
import { createDecoder, createVerifier } from 'fast-jwt'
import { type AccessClaims, isCompactJws } from '../../domain/access-token.ts'
import type { MachineClaims } from '../../domain/machine-token.ts'
import type { Algorithm, SigningKey, VerifyingKey } from '../../domain/signing-keys.ts'

// What fast-jwt checks of a JWT for us: form, algorithm, type and signature. Expiry and revocation are checked elsewhere, at each request.

/** The `typ` of an access token, RFC 9068 section 2.1. */
const TYP = 'at+jwt'

/** Signs the claims: a JWT. */
export type Sign = (claims: AccessClaims | MachineClaims) => string

/** The payload of a JWT that the key has signed, whatever its age; null for any other text. */
export type VerifyJwt = (text: string) => unknown

const DIGESTS: Record<Algorithm, string | null> = { ES256: 'sha256', EdDSA: null, RS256: 'sha256' }

/**
 * Makes the function that signs by this key: a JWT in the compact form, RFC 7515 section 7.1, whose signature by a curve is two
 * numbers side by side, RFC 7518 section 3.4.
 */
export function signerOf({ kid, alg, privatePem }: SigningKey): Sign {
  const key = { key: createPrivateKey(privatePem), dsaEncoding: 'ieee-p1363' } as const
  const header = encode({ alg, typ: TYP, kid })
  return (claims) => {
    const input = `${header}.${encode(claims)}`
    return `${input}.${sign(DIGESTS[alg], Buffer.from(input), key).toString('base64url')}`
  }
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
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
