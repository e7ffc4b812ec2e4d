import * as z from 'zod'
import { FACTORS } from '../../domain/factors.ts'
import { PASSWORD_RULES } from '../../domain/password.ts'
import { OVER_REASONS } from '../../domain/session.ts'
import { PublicKey } from './fields.ts'
import { PROBLEM_CODES, type ProblemCode, statusOf } from '../problems.ts'

const Fault = z.object({
  path: z.string().optional().meta({ description: 'With bad_request: the field, with dots between levels.' }),
  rule: z.enum(PASSWORD_RULES).optional().meta({ description: 'With password_unacceptable: the rule that is broken.' }),
  message: z.string().meta({ description: 'For people.' }),
})

/** The schema of a problem document, RFC 9457. */
export const ProblemDocument = z
  .object({
    type: z
      .string()
      .meta({ description: 'A name, not a link.', examples: ['urn:problem-type:latchkey:token_expired'] }),
    title: z.string().meta({ description: 'For people: what the code means.' }),
    status: z.int().min(400).max(599).meta({ description: 'As in the status line.' }),
    code: z.enum(PROBLEM_CODES).meta({ description: 'For programs. Treat one you do not know by its status.' }),
    detail: z.string().optional().meta({ description: 'For people: what is wrong this time.' }),
    errors: z.array(Fault).optional().meta({ description: 'The fields at fault, or the password rules broken.' }),
    max_age: z.int().min(0).max(2_000_000_000).optional().meta({
      description: 'With step_up_required: for how many seconds a proof of who you are is good.',
    }),
    factors: z.array(z.enum(FACTORS)).optional().meta({
      description:
        'With step_up_required and second_factor_required: the second factors that the account can prove; none: the password will do.',
    }),
    challenge: z
      .string()
      .optional()
      .meta({
        description: 'With second_factor_required: what the second step sends, within ten minutes.',
        examples: ['1234567890.q3…'],
      }),
    public_key: PublicKey.optional().meta({
      description:
        'With second_factor_required, and passkeys: what `navigator.credentials.get` is given as `publicKey`.',
    }),
    reason: z.enum(OVER_REASONS).optional().meta({ description: 'With session_over: why.' }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457: why the request was refused.' })

/** The problems that a route behind an access token may answer about the token. */
export const ANY_LEVEL_PROBLEMS = [
  'no_token',
  'token_invalid',
  'token_expired',
  'token_revoked',
  'insufficient',
] as const

/** The same, where with SECOND_FACTOR=required a session without a second factor does not get. */
export const TOKEN_PROBLEMS = [...ANY_LEVEL_PROBLEMS, 'step_up_required'] as const

/** The problems that a route with a body may answer about the body. */
export const BODY_PROBLEMS = ['bad_request', 'too_large', 'unsupported_media_type'] as const

/** The problems that a route behind an access token, with a body and a limit, may answer. */
export const CALLER_PROBLEMS = [
  ...TOKEN_PROBLEMS,
  ...BODY_PROBLEMS,
  'too_many_requests',
  'busy',
  'store_unavailable',
] as const

/** The same, where the caller is asked for the password again. */
export const OWN_PASSWORD_PROBLEMS = [...CALLER_PROBLEMS, 'wrong_password'] as const

/** The response schemas, by status, of the problems that a route may answer; the OpenAPI document lists the codes of each. */
export function problems(...codes: ProblemCode[]): Record<number, z.ZodType> {
  const all: ProblemCode[] = [...codes, 'internal']
  const answer = (status: number) =>
    ProblemDocument.clone().meta({ problemCodes: all.filter((code) => statusOf(code) === status) })
  return Object.fromEntries(all.map((code) => [statusOf(code), answer(statusOf(code))]))
}
