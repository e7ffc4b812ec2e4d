import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { readTokenState, type TokenState } from '../../auth/tokens/denylist.ts'
import type { VerifiedToken } from '../../auth/tokens/signed-tokens.ts'
import { makeVerifier, type NamingToken } from '../../auth/tokens/verify.ts'
import type { Deps } from '../../deps.ts'
import { Problem, type ProblemCode } from '../problems.ts'
import type { App } from '../typed-app.ts'
import { bearerText } from './bearer-text.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The access token of a request behind `requireToken`. */
    token: VerifiedToken
  }
}

/** How routes get at the access token of a request. */
export interface BearerTokens {
  /** An onRequest hook: lets only requests with a live access token pass, and leaves the token in `request.token`. */
  readonly requireToken: onRequestAsyncHookHandler
  /**
   * Reads the access token of a request if it names a session of ours, of any age and audience; null: it is not ours. Throws
   * Problem `no_token` if the request has none.
   */
  readonly readNamingToken: (request: FastifyRequest) => Promise<NamingToken | null>
}

const REFUSALS: Record<Exclude<TokenState, 'alive'>, ProblemCode> = {
  expired: 'token_expired',
  revoked: 'token_revoked',
}

/** Reads access tokens from the Authorization header, and from nowhere else, RFC 6750 section 2.1. */
export function makeBearerTokens(app: App, deps: Deps): BearerTokens {
  const { recall, verify, verifySignature } = makeVerifier(deps)
  app.decorateRequest('token', null as never)

  async function requireToken(request: FastifyRequest): Promise<void> {
    const text = bearerText(request)
    const token = recall(text) ?? (await verify(text))
    if (token === null) throw new Problem('token_invalid')
    const state = await readTokenState(deps, token)
    if (state !== 'alive') throw new Problem(REFUSALS[state])
    request.token = token
  }

  return { requireToken, readNamingToken: async (request) => verifySignature(bearerText(request)) }
}
