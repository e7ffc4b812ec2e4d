import fastifyJwt from '@fastify/jwt'
import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { type Admission, admit } from '../auth/access.ts'
import { atMostEvery } from '../auth/at-most-every.ts'
import { makeClaimsCache, verifiedToken, type VerifiedToken } from '../auth/claims-cache.ts'
import { confirmRotation } from '../auth/refresh.ts'
import { issuerOf } from '../auth/tokens.ts'
import type { Deps } from '../deps.ts'
import { isCompactJws, readClaims } from '../domain/access-token.ts'
import { Problem, type ProblemCode } from '../problems.ts'
import { StoreUnavailable } from '../store/store.ts'
import type { App } from './app.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The access token of a request behind `requireToken`. */
    token: VerifiedToken
  }
}

export interface Bearer {
  /** An onRequest hook: lets only live access tokens pass, and leaves them in `request.token`. */
  readonly requireToken: onRequestAsyncHookHandler
  /** The request's access token if its signature and claims are ours, expired or not, revoked or not. Refuses anything else. */
  readonly identify: (request: FastifyRequest) => Promise<VerifiedToken>
}

const HEADER_MEMBERS = new Set(['alg', 'typ', 'kid'])
const CACHED_TOKENS = 10_000
/** How often at most a key that is not known is looked for in the store. */
const LOOK_MS = 50
const REFUSALS: Record<Exclude<Admission, 'alive'>, ProblemCode> = {
  expired: 'token_expired',
  revoked: 'token_revoked',
}

/** Reads access tokens from the Authorization header and from nowhere else, RFC 6750 section 2.1. */
export async function readBearerTokens(app: App, deps: Deps): Promise<Bearer> {
  const { config, keyring } = deps
  const cache = makeClaimsCache(CACHED_TOKENS)
  const issuer = issuerOf(deps)
  // The library checks form, algorithm, type and signature; time and revocation are judged at each request, by us.
  await app.register(fastifyJwt, {
    secret: keyFinder(deps),
    decode: { complete: true },
    verify: { algorithms: [config.JWT_ALG], checkTyp: 'at+jwt', ignoreExpiration: true, extractToken, cache: false },
  } as Parameters<typeof fastifyJwt>[1])
  app.decorateRequest('token', null as never)

  async function verify(request: FastifyRequest, text: string): Promise<VerifiedToken> {
    const identity = keyring.identity()
    if (identity === null) throw new StoreUnavailable('the signing keys are not loaded yet')
    const payload: unknown = await request.jwtVerify().catch(unlessUnavailable)
    if (identity !== keyring.identity()) throw new StoreUnavailable('the store has been replaced')
    const claims = readClaims(payload, issuer)
    if (claims === null) throw new Problem('token_invalid')
    const token = verifiedToken(claims, identity)
    cache.set(text, token)
    if (claims.rtc > 0) confirmRotation(deps, claims).catch(() => {}) // losing it is harmless
    return token
  }

  function recall(text: string): VerifiedToken | null {
    const token = cache.get(text)
    return token !== undefined && token.identity === keyring.identity() ? token : null
  }

  async function identify(request: FastifyRequest): Promise<VerifiedToken> {
    const text = tokenText(request)
    return recall(text) ?? verify(request, text)
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

function unlessUnavailable(error: unknown): null {
  if (error instanceof StoreUnavailable) throw error
  return null
}

/** Finds the key a token names. A header that says anything more than our own do (jwk, jku, crit, b64, …) is none of ours. */
function keyFinder({ config, keyring }: Deps) {
  const lookAgain = atMostEvery(LOOK_MS, keyring.reload)
  return async (_request: FastifyRequest, { header }: { header: Record<string, unknown> }): Promise<string> => {
    const isOurs = Object.keys(header).every((name) => HEADER_MEMBERS.has(name))
    const find = () => keyring.find(header['kid'])
    const key = find() ?? (await lookAgain().then(find)) // another instance may have made it just now
    if (key?.alg !== config.JWT_ALG || !isOurs) throw new Problem('token_invalid')
    return key.publicPem
  }
}

/** A scheme ends at one space or more, RFC 9110 section 11.4; the white space around the header's value is the parser's. */
const SCHEME = /^bearer(?: +|$)/i

/** What the one Authorization header says after `Bearer`. Two headers are refused, never the first one taken. */
function tokenText({ raw: { rawHeaders } }: FastifyRequest): string {
  let header: string | undefined
  for (let place = 0; place < rawHeaders.length; place += 2) {
    if (!isAuthorization(rawHeaders[place] as string)) continue
    if (header !== undefined) throw new Problem('token_invalid')
    header = rawHeaders[place + 1] as string
  }
  const scheme = header === undefined ? null : SCHEME.exec(header)
  if (header === undefined || scheme === null) throw new Problem('no_token')
  return header.slice(scheme[0].length)
}

function isAuthorization(name: string): boolean {
  return name.length === 'authorization'.length && name.toLowerCase() === 'authorization'
}

function extractToken(request: FastifyRequest): string {
  const text = tokenText(request)
  if (!isCompactJws(text)) throw new Problem('token_invalid')
  return text
}
