import type * as z from 'zod'
import { countLiveSessions } from '../../../auth/sessions/read.ts'
import type { Deps } from '../../../deps.ts'
import type { User } from '../../../domain/user.ts'
import type { AdminUser } from './schemas.ts'

/** The JSON of users for the operator, in their order. */
export async function userAnswers(deps: Deps, users: readonly User[]): Promise<z.output<typeof AdminUser>[]> {
  const sessions = await countLiveSessions(deps, users)
  return users.map((user, place) => userAnswer(user, sessions[place] ?? 0))
}

function userAnswer(user: User, sessions: number): z.output<typeof AdminUser> {
  const { id, email, emailVerified, createdAt, lastLoginAt, roles, app, disabled, factors } = user
  return {
    id,
    email,
    email_verified: emailVerified,
    created_at: timeOf(createdAt),
    ...(lastLoginAt === undefined ? {} : { last_login_at: timeOf(lastLoginAt) }),
    roles: [...roles],
    app,
    ...(disabled === undefined ? {} : { disabled: { ...disabled, at: timeOf(disabled.at) } }),
    sessions,
    factors: {
      totp: factors?.totp !== undefined,
      passkeys: factors?.passkeys.length ?? 0,
      recovery_codes_left: factors?.recoveryCodes.left.length ?? 0,
    },
  }
}

function timeOf(at: number): string {
  return new Date(at).toISOString()
}
