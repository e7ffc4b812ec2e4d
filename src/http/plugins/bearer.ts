import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { confirmRotation } from '../../auth/sessions/refresh.ts'
import { makeClaimsCache, verifiedToken, type VerifiedToken } from '../../auth/tokens/claims-cache.ts'
import { type Admission, admit } from '../../auth/tokens/denylist.ts'
import { issuerOf } from '../../auth/tokens/issue.ts'
import type { Deps } from '../../deps.ts'
import { type AccessClaims, isCompactJws, isIssuedAs } from '../../domain/access-token.ts'
import { Problem, type ProblemCode } from '../problems.ts'
import type { App } from '../typed-app.ts'
import { headerLines } from './header-lines.ts'
import { makeSignatures } from './signatures.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The access token of a request behind `requireToken`. */
    token: VerifiedToken
  }
}

export interface Bearer {
  /** An onRequest hook: lets only live access tokens pass, and leaves them in `request.token`. */
  readonly requireToken: onRequestAsyncHookHandler
  /**
   * The request's access token if one of our keys signed it, in force or retired, whatever its age, issuer, audience or client:
   * enough to name a session, and to let nobody in. Null: none of ours. Throws Problem `no_token` where none is sent.
   */
  readonly identify: (request: FastifyRequest) => Promise<IdentifiedToken | null>
}

/** `isAdmissible`: it could let its bearer in, if it is alive. */
export interface IdentifiedToken {
  readonly token: VerifiedToken
  readonly isAdmissible: boolean
}

const CACHED_TOKENS = 10_000
const REFUSALS: Record<Exclude<Admission, 'alive'>, ProblemCode> = {
  expired: 'token_expired',
  revoked: 'token_revoked',
}

/** Reads access tokens from the Authorization header and from nowhere else, RFC 6750 section 2.1. */
export async function readBearerTokens(app: App, deps: Deps): Promise<Bearer> {
  const { keyring } = deps
  const cache = makeClaimsCache(CACHED_TOKENS)
  const issuer = issuerOf(deps)
  const signatures = await makeSignatures(app, deps, extractToken)
  app.decorateRequest('token', null as never)

  function remember(text: string, claims: AccessClaims): VerifiedToken {
    const token = verifiedToken(claims, keyring.identity() as string)
    cache.set(text, token)
    if (claims.rtc > 0) confirmRotation(deps, claims).catch(() => {}) // losing it is harmless
    return token
  }

  async function verify(request: FastifyRequest, text: string): Promise<VerifiedToken> {
    const claims = await signatures.bySigningKey(request)
    if (claims === null || !isIssuedAs(claims, issuer)) throw new Problem('token_invalid')
    return remember(text, claims)
  }

  function recall(text: string): VerifiedToken | null {
    const token = cache.get(text)
    return token !== undefined && token.identity === keyring.identity() ? token : null
  }

  async function identify(request: FastifyRequest): Promise<IdentifiedToken | null> {
    const text = tokenText(request)
    const recalled = recall(text)
    if (recalled !== null) return { token: recalled, isAdmissible: true }
    const signed = await signatures.bySigningKey(request)
    if (signed !== null && isIssuedAs(signed, issuer)) return { token: remember(text, signed), isAdmissible: true }
    const claims = signed ?? (await signatures.byRetiredKey(text))
    return claims && { token: verifiedToken(claims, keyring.identity() as string), isAdmissible: false }
  }

  async function requireToken(request: FastifyRequest): Promise<void> {
    const text = tokenText(request)
    const token = recall(text) ?? (await verify(request, text))
    const admission = await admit(deps, token)
    if (admission !== 'alive') throw new Problem(REFUSALS[admission])
    request.token = token
  }

  return { identify, requireToken }
}

/** A scheme ends at one space or more, RFC 9110 section 11.4; the white space around the header's value is the parser's. */
const SCHEME = /^bearer(?: +|$)/i

/** What the one Authorization header says after `Bearer`. Two headers are refused, never the first one taken. */
function tokenText({ raw }: FastifyRequest): string {
  const [header = '', ...others] = headerLines(raw, 'authorization')
  if (others.length > 0) throw new Problem('token_invalid')
  const scheme = SCHEME.exec(header)
  if (scheme === null) throw new Problem('no_token')
  return header.slice(scheme[0].length)
}

function extractToken(request: FastifyRequest): string {
  const text = tokenText(request)
  if (!isCompactJws(text)) throw new Problem('token_invalid')
  return text
}
