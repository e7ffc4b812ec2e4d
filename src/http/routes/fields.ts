import * as z from 'zod'
import { TRANSPORTS } from '../../domain/session.ts'

// What several shapes on the wire have, in snake_case.

export const Id = z.string().meta({ description: 'Opaque.', examples: ['9p7Xb2mVQ0a1cJtYw3kZ4A'] })
export const Time = z.iso.datetime().meta({ description: 'RFC 3339, UTC.', examples: ['2026-01-31T12:00:00.000Z'] })
export const Seconds = z.int().min(0).max(2_000_000_000)

/** A text without lone surrogates, which have no UTF-8 form. */
const Text = z.string().refine((text) => text.isWellFormed(), 'must be well-formed Unicode')

export const Transport = z.enum(TRANSPORTS).meta({
  description: 'Where the refresh token travels: in the JSON, or in an HttpOnly cookie and nowhere else.',
})

export const Email = Text.max(1000).meta({
  description:
    'Trimmed, NFC-normalised and lower-cased, then at most 254 characters; an ASCII or IDN domain with at least one dot. ' +
    'Two spellings that normalise alike are one account.',
  examples: ['ada@example.org'],
})

export const Password = Text.meta({
  description: 'Any Unicode, compared in NFC form, never truncated.',
  examples: ['seven red bicycles in the rain'],
})

export const NewPassword = Password.meta({ examples: ['nine blue umbrellas on the roof'] })

export const RefreshToken = z
  .string()
  .max(4096)
  .meta({ description: 'One that travels in the JSON.', examples: ['AV2k9f0A…'] })

export const Locale = z
  .string()
  .max(35)
  .optional()
  .meta({ description: 'The language of the mail. One that is not there falls back.', examples: ['ko'] })
export const MailToken = z
  .string()
  .max(512)
  .meta({ description: 'What follows `#token=` in the link of the mail.', examples: ['AZ3kq0wB…'] })
export const MailCode = z
  .string()
  .max(64)
  .meta({ description: 'The code in the mail.', examples: ['04816253'] })

/** What a browser is given to make or to ask for a passkey; `parseCreationOptionsFromJSON` and its sister read it. */
export const PublicKey = z.record(z.string(), z.any()).meta({
  id: 'PublicKeyOptions',
  description: 'The JSON form of the options of WebAuthn level 3.',
})

export const ChallengeText = z
  .string()
  .max(4096)
  .meta({ description: 'What the first step has answered.', examples: ['1234567890.q3…'] })
export const TotpCode = z
  .string()
  .max(64)
  .meta({ description: 'The six digits that the app shows.', examples: ['492039'] })
export const RecoveryCode = z
  .string()
  .max(64)
  .meta({ description: 'One of the ten, with or without hyphen, in any case.', examples: ['7K2QX-9M4TB'] })

const Base64Url = z
  .string()
  .max(16_384)
  .regex(/^[\w-]+$/, 'must be base64url without padding')

/** At most 1023 bytes, WebAuthn level 3 section 4. */
const CredentialId = Base64Url.max(1364)
const Made = { id: CredentialId, rawId: CredentialId, type: z.literal('public-key') }

/** What a browser has made of a passkey, as `toJSON` writes it. Members that are not needed are ignored. */
export const Assertion = z
  .object({
    ...Made,
    response: z.object({
      clientDataJSON: Base64Url,
      authenticatorData: Base64Url,
      signature: Base64Url,
      userHandle: Base64Url.nullish(),
    }),
  })
  .meta({ id: 'Assertion', description: 'An `AuthenticationResponseJSON` of WebAuthn level 3.' })

export const Attestation = z
  .object({
    ...Made,
    response: z.object({
      clientDataJSON: Base64Url,
      attestationObject: Base64Url,
      transports: z.array(z.string().max(32)).max(10).optional(),
    }),
  })
  .meta({ id: 'Attestation', description: 'A `RegistrationResponseJSON` of WebAuthn level 3.' })

/** A body that may be left out. Fastify validates a missing body as null; a JSON `null` is refused before. */
export const optionalBody = <Body extends z.ZodType>(body: Body) =>
  z.preprocess((sent) => sent ?? undefined, body.optional())
