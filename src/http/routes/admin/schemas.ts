import * as z from 'zod'
import { isRole, MAX_ROLES } from '../../../domain/roles.ts'
import { isUserId } from '../../../domain/user.ts'
import { PROBLEM_CODES } from '../../problems.ts'
import { Email, Password, Time } from '../fields.ts'
import { JsonDocument } from '../schemas.ts'

// The shapes of the operator's listener.

const UserId = z.string().refine(isUserId, 'must be 1 to 64 of A-Z a-z 0-9 _ -')
export const UserParams = z.object({ id: UserId.meta({ description: 'A user.' }) })

const Role = z.string().refine(isRole, 'must be 1 to 64 of A-Z a-z 0-9 _ - . :')
export const Roles = z
  .array(Role)
  .max(MAX_ROLES)
  .meta({ examples: [['editor', 'billing:read']] })
export const RolesBody = z.strictObject({ roles: Roles }).meta({ id: 'Roles' })

export const App = JsonDocument.meta({
  description: 'An object of yours, at most 1 KiB, that services find in tokens.',
})

export const DisabledBody = z
  .strictObject({
    reason: z
      .string()
      .max(200)
      .optional()
      .meta({ description: 'For operators.', examples: ['fraud'] }),
  })
  .meta({ id: 'Disabling' })

export const Cursor = z.string().max(256).optional().meta({ description: 'The `next` of the last answer.' })

export const NewUser = z
  .strictObject({
    id: UserId.optional().meta({
      description: 'Absent: one is made.',
      examples: ['7d3f2c7e-2b8a-4f0e-9b35-0c7f3f2d9a11'],
    }),
    email: Email,
    email_verified: z.boolean().default(false),
    password: Password.optional(),
    password_hash: z
      .string()
      .optional()
      .meta({
        description:
          'argon2id, bcrypt, scrypt or PBKDF2 (SHA-256, SHA-512) as a PHC string, in the form of bcrypt or in those of Django. It is ' +
          'made anew as argon2id at the next login.',
        examples: ['$2b$10$kq3.yTG0tEH/VxuvyvQPx.dJiHJ7MdEVW9Lfr.t0Yp1ZVHY0BWe2K'],
      }),
    roles: Roles.default([]),
    app: App.default({}),
  })
  .refine(({ password, password_hash }) => password === undefined || password_hash === undefined, {
    path: ['password_hash'],
    message: 'is not taken beside a password',
  })
  .meta({ id: 'NewUser' })

export const ImportResult = z
  .object({
    line: z.int().min(1).max(1_000_000).meta({ description: 'Which line, from 1.' }),
    id: UserId.optional().meta({ description: 'Of the account, or as it was sent.' }),
    status: z.enum(['created', 'exists', 'refused']),
    code: z.enum(PROBLEM_CODES).optional().meta({ description: 'With refused: why.' }),
  })
  .meta({ id: 'ImportResult' })

export const UserQuery = z.object({
  email: Email.optional().meta({ description: 'The exact address: nobody or one.', examples: ['ada@example.org'] }),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, 'must be a whole number from 1 to 999')
    .transform(Number)
    .default(100)
    .meta({ description: 'About how many; a page may have more, or fewer, or none.', examples: ['100'] }),
  cursor: Cursor,
})

const Count = z.int().min(0).max(2_000_000_000)

export const AdminUser = z
  .object({
    id: UserId,
    email: z.string().meta({ description: 'As normalised.', examples: ['ada@example.org'] }),
    email_verified: z.boolean(),
    created_at: Time,
    last_login_at: Time.optional(),
    roles: Roles,
    app: App,
    disabled: z
      .object({ at: Time, reason: z.string().optional() })
      .optional()
      .meta({ description: 'Since when nobody is let in.' }),
    sessions: Count.meta({ description: 'How many are live.' }),
    factors: z.object({ totp: z.boolean(), passkeys: Count, recovery_codes_left: Count }),
  })
  .meta({ id: 'AdminUser' })

export const AdminUsers = z
  .object({
    users: z.array(AdminUser),
    next: z.string().optional().meta({ description: 'The cursor of the next page; absent: there is none.' }),
  })
  .meta({ id: 'AdminUsers' })

export const ExportLine = AdminUser.extend({
  password_hash: z.string().optional().meta({ description: 'For a key of the scope `export` only.' }),
  next: z.string().optional().meta({ description: 'In the last line, and alone there: where to go on.' }),
})
  .partial()
  .meta({ id: 'ExportLine' })
