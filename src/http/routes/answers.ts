import type { FastifyReply } from 'fastify'
import type * as z from 'zod'
import type { SecondStep } from '../../auth/credentials/second-step.ts'
import type { Tokens } from '../../auth/tokens/issue.ts'
import { type Email, readEmail } from '../../domain/email.ts'
import { deadline, type Session } from '../../domain/session.ts'
import type { Moment } from '../../domain/time.ts'
import type { User } from '../../domain/user.ts'
import type { RefreshCookie } from '../plugins/refresh-cookie.ts'
import { Problem } from '../problems.ts'
import type { Tokens as TokensSchema, User as UserSchema } from './schemas.ts'

/**
 * The codes for a caller who is logged in and is asked for the password again. A wrong one is 403: at a 401 clients would refresh
 * and try again.
 */
export const OWN_PASSWORD_REFUSALS = { over: 'token_revoked', wrong: 'wrong_password' } as const

/** The codes for what a mail holds, shown by a caller who is logged in. */
export const MAIL_PROOF_REFUSALS = { over: 'token_revoked', invalid: 'code_invalid', taken: 'email_taken' } as const

/** The codes for what answers a challenge. One that is dead is answered from the start: log in again. */
export const PROOF_REFUSALS = { wrong: 'bad_credentials', dead: 'code_invalid', disabled: 'account_disabled' } as const

/** The problem that asks for the second step of a login. */
export function secondFactorRequired(step: SecondStep): Problem {
  return new Problem('second_factor_required', step)
}

/** Reads an e-mail address in the body. Throws Problem `bad_request` if it is none. */
export function demandEmail(path: string, text: string): Email {
  const email = readEmail(text)
  if (email === null) throw new Problem('bad_request', { errors: [{ path, message: 'must be an e-mail address' }] })
  return email
}

/** The JSON of a user. */
export function userAnswer({ id, email, createdAt }: User): z.input<typeof UserSchema> {
  return { id, email, created_at: new Date(createdAt).toISOString() }
}

/** The JSON of tokens. In cookie mode the refresh token goes into the cookie, which is set here, and not into the JSON. */
export function tokensAnswer(
  reply: FastifyReply,
  cookie: RefreshCookie,
  tokens: Tokens,
  user?: User,
): z.input<typeof TokensSchema> {
  if (tokens.transport === 'cookie') cookie.set(reply, tokens)
  return {
    access_token: tokens.accessToken,
    token_type: 'Bearer',
    expires_in: tokens.expiresIn,
    ...(tokens.transport === 'body' ? { refresh_token: tokens.refreshToken } : {}),
    refresh_expires_in: tokens.refreshExpiresIn,
    session_id: tokens.sessionId,
    ...(user === undefined ? {} : { user: userAnswer(user) }),
  }
}

/** The JSON of a live session. */
export function sessionAnswer(session: Session, current: boolean, moment: Moment) {
  return {
    id: session.id,
    current,
    created_at: new Date(session.createdAt).toISOString(),
    last_used_at: new Date(session.lastUsedAt).toISOString(),
    expires_at: new Date(deadline(session, moment).at).toISOString(),
    user_agent: session.userAgent,
    ip: session.ip,
    remember: session.remember,
  }
}
