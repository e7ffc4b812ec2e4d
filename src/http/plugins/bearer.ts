import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { StepUpRequired } from '../../auth/errors.ts'
import { readTokenState, type TokenState } from '../../auth/tokens/denylist.ts'
import { isAtRequiredLevel } from '../../auth/tokens/required-level.ts'
import type { PersonToken, VerifiedToken } from '../../auth/tokens/signed-tokens.ts'
import { makeVerifier, type NamingToken, type Verifier } from '../../auth/tokens/verify.ts'
import type { Deps } from '../../deps.ts'
import { isMeantFor } from '../../domain/machine-token.ts'
import { Problem, type ProblemCode } from '../problems.ts'
import type { App } from '../typed-app.ts'
import { bearerText } from './bearer-text.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The access token of a request behind `requireToken`. */
    token: PersonToken
    /** The access token of a request behind `requireAnyToken`: of a person, or of a client that acts for itself. */
    bearer: VerifiedToken
  }
}

/** How routes get at the access token of a request. */
export interface BearerTokens {
  /**
   * An onRequest hook: lets only requests with a live access token of a person pass, and leaves the token in `request.token`. One of
   * a client that acts for itself is Problem `insufficient`. With SECOND_FACTOR=required one of a session that has proven none throws
   * StepUpRequired.
   */
  readonly requireToken: onRequestAsyncHookHandler
  /** The same, and it also lets a session pass that has yet to enrol its second factor. */
  readonly requireAnyLevel: onRequestAsyncHookHandler
  /**
   * An onRequest hook: lets requests with a live access token for our audience pass, of a person as `requireToken` does, and leaves the
   * token in `request.bearer`.
   */
  readonly requireAnyToken: onRequestAsyncHookHandler
  /**
   * Reads the access token of a request if it names a session of ours, of any age and audience; null: it is not ours. Throws
   * Problem `no_token` if the request has none, and as `requireToken` does if it is of a client that acts for itself.
   */
  readonly readNamingToken: (request: FastifyRequest) => Promise<NamingToken | null>
  /** What reads a token that came in another way than the header. */
  readonly verifier: Verifier
}

const REFUSALS: Record<Exclude<TokenState, 'alive'>, ProblemCode> = {
  expired: 'token_expired',
  revoked: 'token_revoked',
}

/** Reads access tokens from the Authorization header, and from nowhere else, RFC 6750 section 2.1. */
export function makeBearerTokens(app: App, deps: Deps): BearerTokens {
  const verifier = makeVerifier(deps)
  const { recall, verify, verifySignature } = verifier
  const { AUDIENCE } = deps.config
  app.decorateRequest('token', null as never)
  app.decorateRequest('bearer', null as never)

  async function requireLive(request: FastifyRequest): Promise<void> {
    const text = bearerText(request)
    const token = recall(text) ?? (await verify(text))
    if (token === null || !isMeantFor(token.claims.aud, AUDIENCE)) throw new Problem('token_invalid')
    const state = await readTokenState(deps, token)
    if (state !== 'alive') throw new Problem(REFUSALS[state])
    request.bearer = token
  }

  async function requireAnyToken(request: FastifyRequest): Promise<void> {
    await requireLive(request)
    demandLevel(deps, request.bearer)
  }

  async function requireAnyLevel(request: FastifyRequest): Promise<void> {
    await requireLive(request)
    const { bearer } = request
    if (bearer.kind !== 'person') throw new Problem('insufficient')
    request.token = bearer
  }

  async function requireToken(request: FastifyRequest): Promise<void> {
    await requireAnyLevel(request)
    demandLevel(deps, request.bearer)
  }

  async function readNamingToken(request: FastifyRequest): Promise<NamingToken | null> {
    const signed = await verifySignature(bearerText(request))
    if (signed === null) return null
    const { token, isAdmissible } = signed
    if (token.kind === 'person') return { token, isAdmissible }
    await requireAnyLevel(request)
    return null
  }

  return { requireToken, requireAnyLevel, requireAnyToken, readNamingToken, verifier }
}

function demandLevel(deps: Deps, token: VerifiedToken): void {
  if (!isAtRequiredLevel(deps, token)) throw new StepUpRequired(deps.config.STEP_UP_AGE, [])
}
