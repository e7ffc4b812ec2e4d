import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { type Admission, admit } from '../../auth/tokens/denylist.ts'
import type { VerifiedToken } from '../../auth/tokens/signed-tokens.ts'
import { makeVerifier, type NamingToken } from '../../auth/tokens/verify.ts'
import type { Deps } from '../../deps.ts'
import { Problem, type ProblemCode } from '../problems.ts'
import type { App } from '../typed-app.ts'
import { headerLines } from './header-lines.ts'

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
   * The request's access token, if it names a session of ours, however old it is and whoever it was for. Null: none of ours.
   * Throws Problem `no_token` where none is sent.
   */
  readonly identify: (request: FastifyRequest) => Promise<NamingToken | null>
}

const REFUSALS: Record<Exclude<Admission, 'alive'>, ProblemCode> = {
  expired: 'token_expired',
  revoked: 'token_revoked',
}

/** Reads access tokens from the Authorization header and from nowhere else, RFC 6750 section 2.1. */
export function readBearerTokens(app: App, deps: Deps): Bearer {
  const { recall, verify, identify } = makeVerifier(deps)
  app.decorateRequest('token', null as never)

  async function requireToken(request: FastifyRequest): Promise<void> {
    const text = tokenText(request)
    const token = recall(text) ?? (await verify(text))
    if (token === null) throw new Problem('token_invalid')
    const admission = await admit(deps, token)
    if (admission !== 'alive') throw new Problem(REFUSALS[admission])
    request.token = token
  }

  return { requireToken, identify: async (request) => identify(tokenText(request)) }
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
