import * as z from 'zod'
import { Attestation, Id, PublicKey, Time } from '../fields.ts'
import { ANY_LEVEL_PROBLEMS, BODY_PROBLEMS } from '../problem-schemas.ts'
import { Tokens } from '../schemas.ts'

// The shapes on the wire of what a person has enrolled.

/** What all routes of factors say of themselves. */
export const route = { tags: ['Second factors'], security: [{ bearer: [] }] }

/** The problems that a route which changes a factor may answer. */
export const FRESH_PROBLEMS = [
  ...ANY_LEVEL_PROBLEMS,
  ...BODY_PROBLEMS,
  'step_up_required',
  'too_many_requests',
  'busy',
  'store_unavailable',
] as const

/** A text in one line that a person gives to a passkey. */
const Name = z
  .string()
  .min(1)
  .max(64)
  .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), 'must be text in one line')
  .meta({ description: 'For people.', examples: ["Ada's phone"] })

export const PasskeyParams = z.object({ id: z.string().meta({ description: 'A passkey of yours.' }) })

export const PasskeyItem = z
  .object({
    id: Id,
    name: z.string().meta({ examples: ["Ada's phone"] }),
    created_at: Time,
    last_used_at: Time.nullable().meta({ description: 'Null: never since it was made.' }),
    backed_up: z.boolean().meta({ description: 'Whether it is kept beyond its device.' }),
  })
  .meta({ id: 'Passkey' })

export const FactorList = z
  .object({
    totp: z.boolean().meta({ description: 'Whether an authenticator app is enrolled.' }),
    recovery_codes_left: z.int().min(0).max(10),
    passkeys: z.array(PasskeyItem).max(20),
  })
  .meta({ id: 'Factors' })

export const TotpSecret = z
  .object({
    secret: z.string().meta({ description: 'In base32, to be typed.', examples: ['JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'] }),
    uri: z.string().meta({
      description: 'To be shown as a QR code.',
      examples: ['otpauth://totp/Latchkey:ada%40example.org?secret=JBSWY3DPEHPK3PXP&issuer=Latchkey'],
    }),
  })
  .meta({ id: 'TotpSecret' })

export const ConfirmationBody = z
  .strictObject({
    code: z
      .string()
      .max(64)
      .meta({ description: 'What the app shows.', examples: ['492039'] }),
  })
  .meta({ id: 'TotpConfirmation' })

const codes = z
  .array(z.string())
  .max(10)
  .meta({ description: 'Ten, each good once; they are not shown again.', examples: [['7K2QX-9M4TB']] })

export const RecoveryCodes = z.object({ recovery_codes: codes }).meta({ id: 'RecoveryCodes' })

export const RenewalBody = z
  .strictObject({
    request_id: z
      .string()
      .min(1)
      .max(200)
      .meta({ description: 'A random text of yours: the same again is the same request.', examples: ['b7a3…'] }),
  })
  .meta({ id: 'RecoveryCodesRenewal' })

export const EnrolmentTokens = Tokens.extend({
  recovery_codes: codes.optional(),
}).meta({ id: 'EnrolmentTokens' })

export const NewPasskey = z
  .object({ public_key: PublicKey })
  .meta({ id: 'NewPasskeyOptions', description: 'For `navigator.credentials.create`.' })

export const PasskeyBody = z
  .strictObject({ response: Attestation, name: Name.default('Passkey') })
  .meta({ id: 'NewPasskey' })

export const RenamingBody = z.strictObject({ name: Name }).meta({ id: 'PasskeyName' })
