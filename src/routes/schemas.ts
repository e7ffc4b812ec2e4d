import { z } from 'zod'
import { PROBLEM_CODES, type ProblemCode } from '../problems.ts'
import { statusOf } from '../problems.ts'

// The shapes on the wire, snake_case. What is named here (`id`) is a component of the OpenAPI document.

const Id = z.string().meta({ description: 'Opaque.', examples: ['9p7Xb2mVQ0a1cJtYw3kZ4A'] })
const Time = z.iso.datetime().meta({ description: 'RFC 3339, UTC.', examples: ['2026-01-31T12:00:00.000Z'] })
const Seconds = z.int().min(0).max(2_000_000_000)

/** A text without lone surrogates, which have no UTF-8 form. */
const Text = z.string().refine((text) => text.isWellFormed(), 'must be well-formed Unicode')

export const Transport = z.enum(['body', 'cookie']).meta({
  description: 'Where the refresh token travels: in the JSON, or in an HttpOnly cookie and nowhere else.',
})

const Email = Text.max(1000).meta({
  description: 'Trimmed, NFC-normalised and lower-cased; at most 254 characters.',
  examples: ['ada@example.org'],
})

const Password = Text.meta({
  description: 'Any Unicode, compared in NFC form, never truncated.',
  examples: ['seven red bicycles in the rain'],
})

export const CredentialsBody = z
  .strictObject({
    email: Email,
    password: Password,
    transport: Transport.default('body'),
    remember: z
      .boolean()
      .default(false)
      .meta({ description: 'Longer timeouts, and a cookie that outlives the browser.' }),
  })
  .meta({ id: 'Credentials' })

export const RefreshBody = z
  .strictObject({
    refresh_token: z
      .string()
      .max(4096)
      .meta({ examples: ['AV2k9f0A…'] }),
  })
  .optional()

export const LogoutBody = z
  .strictObject({
    refresh_token: z.string().max(4096).optional(),
    scope: z.enum(['session', 'others', 'all']).default('session').meta({
      description: 'This session, all the others of the user, or all of them.',
    }),
  })
  .optional()

export const PasswordBody = z
  .strictObject({ current_password: Password, new_password: Password })
  .meta({ id: 'PasswordChange' })

export const RemovalBody = z.strictObject({ password: Password }).meta({ id: 'AccountRemoval' })

export const SessionParams = z.object({ id: z.string().meta({ description: 'A session of yours.' }) })

export const User = z.object({ id: Id, email: z.string(), created_at: Time }).meta({ id: 'User' })

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
    session_id: Id,
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
    user_agent: z.string(),
    ip: z.string(),
    remember: z.boolean(),
  })
  .meta({ id: 'Session' })

export const Sessions = z.object({ sessions: z.array(SessionItem).max(1000) }).meta({ id: 'Sessions' })

export const JsonDocument = z.record(z.string(), z.json()).meta({
  id: 'Document',
  description: 'A JSON object of your own, at most 16 KiB.',
  examples: [{ cart: { 'sku-1': 2 } }],
})

export const MergePatch = z.record(z.string(), z.json()).meta({
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
  .meta({ id: 'Jwks' })

export const Health = z
  .object({ status: z.enum(['ok', 'unavailable']), reasons: z.array(z.string()).optional() })
  .meta({ id: 'Health' })

export const NoContent = z.undefined().meta({ description: 'Done.' })

/** RFC 9457. */
export const ProblemDocument = z
  .object({
    type: z.string().meta({ examples: ['urn:problem-type:latchkey:token_expired'] }),
    title: z.string(),
    status: z.int().min(400).max(599),
    code: z.enum(PROBLEM_CODES).meta({ description: 'Treat one you do not know by its status.' }),
    detail: z.string().optional(),
    errors: z
      .array(z.object({ path: z.string().optional(), rule: z.string().optional(), message: z.string() }))
      .optional()
      .meta({ description: 'The fields at fault, or the password rules broken.' }),
    reason: z.string().optional().meta({ description: 'With session_over: why.' }),
  })
  .meta({ id: 'Problem' })

/** The problems a route may answer, as response schemas by status; the document lists the codes of each. */
export function problems(...codes: ProblemCode[]): Record<number, z.ZodType> {
  const all: ProblemCode[] = [...codes, 'internal']
  const answer = (status: number) =>
    ProblemDocument.clone().meta({ problemCodes: all.filter((code) => statusOf(code) === status) })
  return Object.fromEntries(all.map((code) => [statusOf(code), answer(statusOf(code))]))
}
