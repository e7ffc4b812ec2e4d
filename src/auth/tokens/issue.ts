import type { Deps } from '../../deps.ts'
import { type Issuer, makeClaims } from '../../domain/access-token.ts'
import { newId } from '../../domain/id.ts'
import { sealRefreshToken } from '../../domain/refresh-token.ts'
import { deadline, type Session, type Transport } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'

/** What a login, a refresh or a change of the password hands out. Durations are seconds. */
export interface Tokens {
  readonly accessToken: string
  readonly expiresIn: number
  readonly refreshToken: string
  readonly refreshExpiresIn: number
  readonly sessionId: string
  readonly transport: Transport
  readonly remember: boolean
}

/** Whom tokens are issued to: a live session, and the record of its user that was read or written with it. */
export interface Bearer {
  readonly session: Session
  readonly user: User
}

/** The claims that all tokens of this service share. */
export function issuerOf({ config }: Pick<Deps, 'config'>): Issuer {
  return { iss: config.ISSUER, aud: config.AUDIENCE, client_id: config.CLIENT_ID }
}

/**
 * Issues the current refresh token of the session, the same one each time, and a fresh access token with what the record says of
 * the user. Throws StoreUnavailable if the store has another identity since the session was opened.
 */
export function issueTokens(deps: Deps, { session, user }: Bearer): Tokens {
  const { config, clock, keyring, authKeys } = deps
  const { id: sessionId, userId, counter, transport, secret, remember, authAt, amr } = session
  const now = clock()
  const { generation, emailVerified, roles, app } = user
  const claims = makeClaims(
    issuerOf(deps),
    { userId, sessionId, generation, counter, authAt, amr, emailVerified, roles, app },
    { now, ttlMs: config.ACCESS_TTL, spread: Math.random(), jti: newId() },
  )
  return {
    accessToken: keyring.sign(claims, session.store),
    expiresIn: claims.exp - claims.iat,
    refreshToken: sealRefreshToken(authKeys, { transport, userId, sessionId, secret, counter }),
    refreshExpiresIn: Math.max(0, Math.ceil((deadline(session, deps.moment()).at - now) / 1000)),
    sessionId,
    transport,
    remember,
  }
}
