import * as z from 'zod'
import { LOGOUT_SCOPES } from '../../auth/sessions/logout.ts'
import type { Json } from '../../domain/merge-patch.ts'
import {
  Email,
  Id,
  Locale,
  MailCode,
  MailToken,
  NewPassword,
  optionalBody,
  Password,
  RefreshToken,
  Seconds,
  Time,
  Transport,
} from './fields.ts'

// The shapes on the wire, in snake_case. A schema with an `id` is a component of the OpenAPI document.

export const Remember = z
  .boolean()
  .default(false)
  .meta({ description: 'Longer timeouts, and a cookie that outlives the browser.' })

export const CredentialsBody = z
  .strictObject({
    email: Email,
    password: Password,
    transport: Transport.default('body'),
    remember: Remember,
  })
  .meta({ id: 'Credentials' })

export const RefreshBody = optionalBody(
  z.strictObject({ refresh_token: RefreshToken.optional() }).meta({ id: 'Refresh' }),
)

export const LogoutBody = optionalBody(
  z
    .strictObject({
      refresh_token: RefreshToken.optional(),
      scope: z.enum(LOGOUT_SCOPES).default('session').meta({
        description: 'This session, all the others of the user, or all of them.',
      }),
    })
    .meta({ id: 'Logout' }),
)

export const PasswordBody = z
  .strictObject({
    current_password: Password,
    new_password: NewPassword,
  })
  .meta({ id: 'PasswordChange' })

export const ForgotBody = z.strictObject({ email: Email, locale: Locale }).meta({ id: 'ForgottenPassword' })

export const ResetBody = z
  .xor([
    z.strictObject({ token: MailToken, new_password: NewPassword }),
    z.strictObject({ email: Email, code: MailCode, new_password: NewPassword }),
  ])
  .meta({ id: 'PasswordReset', description: 'With `token`, or with `email` and `code`.' })

export const VerificationBody = optionalBody(z.strictObject({ locale: Locale }).meta({ id: 'EmailVerification' }))

export const EmailChangeBody = z.strictObject({ new_email: Email, locale: Locale }).meta({ id: 'EmailChange' })

export const MailProofBody = z
  .xor([z.strictObject({ token: MailToken }), z.strictObject({ code: MailCode })])
  .meta({ id: 'MailProof', description: 'With `token`, or with `code`.' })

export const Accepted = z.undefined().meta({ description: 'The mail is certain to be sent.' })

export const RemovalBody = z.strictObject({ password: Password }).meta({ id: 'AccountRemoval' })

export const SessionParams = z.object({ id: z.string().meta({ description: 'A session of yours.' }) })

export const User = z
  .object({
    id: Id.meta({ description: 'Opaque, never reused.' }),
    email: z.string().meta({ description: 'As normalised.', examples: ['ada@example.org'] }),
    created_at: Time,
  })
  .meta({ id: 'User' })

export const Tokens = z
  .object({
    access_token: z
      .string()
      .meta({ description: 'A JWT, RFC 9068, for the Authorization header.', examples: ['eyJhbGciOi…'] }),
    token_type: z.literal('Bearer'),
    expires_in: Seconds.meta({ description: 'Seconds the access token lives.', examples: [295] }),
    refresh_token: z
      .string()
      .optional()
      .meta({ description: 'Absent in cookie mode.', examples: ['AV2k9f0A…'] }),
    refresh_expires_in: Seconds.meta({
      description: 'Seconds until the session ends unless it is refreshed.',
      examples: [1800],
    }),
    session_id: Id.meta({ description: 'The same for as long as the session lives.' }),
    user: User.optional().meta({ description: 'At registration and login.' }),
  })
  .meta({ id: 'Tokens' })

export const SessionItem = z
  .object({
    id: Id,
    current: z.boolean().meta({ description: 'Whether it is the session that asks.' }),
    created_at: Time,
    last_used_at: Time,
    expires_at: Time.meta({ description: 'When it ends unless it is refreshed.' }),
    user_agent: z.string().meta({
      description: 'As last sent, cut to 256 characters; may be empty.',
      examples: ['Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0'],
    }),
    ip: z.string().meta({ description: 'The address it was last used from.', examples: ['192.0.2.7'] }),
    remember: z.boolean().meta({ description: 'Whether it has the longer timeouts.' }),
  })
  .meta({ id: 'Session' })

export const Sessions = z.object({ sessions: z.array(SessionItem).max(1000) }).meta({ id: 'Sessions' })

/** A value that was parsed from JSON, or will be written as JSON: to validate all of it would only cost time. */
const JsonValue: z.ZodType<Json> = z.any().meta({ id: 'JsonValue', description: 'Any JSON value.' })

export const JsonDocument = z.record(z.string(), JsonValue).meta({
  id: 'Document',
  description: 'A JSON object of your own, at most 16 KiB.',
  examples: [{ cart: { 'sku-1': 2 } }],
})

export const MergePatch = z.record(z.string(), JsonValue).meta({
  id: 'MergePatch',
  description: 'RFC 7396: members are set, null removes one.',
  examples: [{ cart: { 'sku-1': 3, 'sku-2': null } }],
})

export const Jwks = z
  .object({
    keys: z.array(
      z.object({ kid: z.string(), alg: z.string(), use: z.literal('sig'), kty: z.string() }).catchall(z.string()),
    ),
  })
  .meta({ id: 'Jwks', description: 'RFC 7517. Each key has the public members of its type besides these.' })

export const Health = z
  .object({
    status: z.enum(['ok', 'unavailable']),
    reasons: z
      .array(z.string())
      .optional()
      .meta({ description: 'With unavailable: why.', examples: [['the process is stopping']] }),
    warnings: z
      .array(z.string())
      .optional()
      .meta({
        description: 'What is promised less than could be, by the way the store is set up.',
        examples: [['Redis keeps no append-only file']],
      }),
  })
  .meta({ id: 'Health' })

export const NoContent = z.undefined().meta({ description: 'Done.' })
