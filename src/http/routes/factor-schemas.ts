import * as z from 'zod'
import { Assertion, ChallengeText, Password, PublicKey, RecoveryCode, TotpCode, Transport } from './fields.ts'
import { Remember } from './schemas.ts'

// The shapes on the wire by which a second factor is asked for and shown.

export const StepUpBody = z
  .xor([
    z.strictObject({ password: Password }),
    z.strictObject({ totp: TotpCode }),
    z.strictObject({ recovery_code: RecoveryCode }),
    z.strictObject({ challenge: ChallengeText, passkey: Assertion }),
  ])
  .meta({ id: 'StepUp', description: 'With the password, or with a second factor if there is one.' })

export const SecondStepBody = z
  .xor([
    z.strictObject({ challenge: ChallengeText, totp: TotpCode }),
    z.strictObject({ challenge: ChallengeText, recovery_code: RecoveryCode }),
    z.strictObject({ challenge: ChallengeText, passkey: Assertion }),
  ])
  .meta({ id: 'SecondStep', description: 'The challenge of the first step, and what answers it.' })

export const PasskeyOptions = z
  .object({ challenge: z.string().meta({ examples: ['1234567890.q3…'] }), public_key: PublicKey })
  .meta({ id: 'PasskeyOptions', description: 'The challenge to send with the answer, within ten minutes.' })

export const PasskeyLoginBody = z
  .strictObject({
    challenge: ChallengeText,
    response: Assertion,
    transport: Transport.default('body'),
    remember: Remember,
  })
  .meta({ id: 'PasskeyLogin' })
