import { randomBytes } from 'node:crypto'
import type { Deps } from '../../deps.ts'
import { type Issuer, makeClaims } from '../../domain/access-token.ts'
import { sealRefreshToken } from '../../domain/refresh-token.ts'
import { deadline, type Session, type Transport } from '../../domain/session.ts'
import { StoreUnavailable } from '../../store/store.ts'

/** What a login, a refresh or a password change hands out. Durations are seconds. */
export interface Tokens {
  readonly accessToken: string
  readonly expiresIn: number
  readonly refreshToken: string
  readonly refreshExpiresIn: number
  readonly sessionId: string
  readonly transport: Transport
  readonly remember: boolean
}

/** A new opaque id: 128 random bits in base64url. */
export function newId(): string {
  return randomBytes(16).toString('base64url')
}

/** The claims that all our tokens share. */
export function issuerOf({ config }: Pick<Deps, 'config'>): Issuer {
  return { iss: config.ISSUER, aud: config.AUDIENCE, client_id: config.CLIENT_ID }
}

/** The session's current refresh token, always the same one, and a fresh access token. Throws StoreUnavailable where all has been revoked since. */
export function issueTokens(deps: Deps, session: Session): Tokens {
  const { config, clock, keyring, authKeys } = deps
  const { id: sessionId, userId, generation, counter, transport, secret, remember } = session
  if (session.store !== keyring.identity()) throw new StoreUnavailable('the store has another identity since')
  const now = clock()
  const claims = makeClaims(
    issuerOf(deps),
    { userId, sessionId, generation, counter, authenticatedAt: session.createdAt },
    { now, ttlMs: config.ACCESS_TTL, spread: Math.random(), jti: newId() },
  )
  return {
    accessToken: keyring.sign(claims),
    expiresIn: claims.exp - claims.iat,
    refreshToken: sealRefreshToken(authKeys, { transport, userId, sessionId, secret, counter }),
    refreshExpiresIn: Math.max(0, Math.ceil((deadline(session, deps.moment()).at - now) / 1000)),
    sessionId,
    transport,
    remember,
  }
}
