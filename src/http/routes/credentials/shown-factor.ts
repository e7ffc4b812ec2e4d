import type * as z from 'zod'
import type { Credential } from '../../../auth/credentials/credential.ts'
import { type Given, passkey } from '../../../auth/credentials/passkey.ts'
import { recoveryCode } from '../../../auth/credentials/recovery-code.ts'
import { totp } from '../../../auth/credentials/totp.ts'
import type { AuthenticationResponseJSON } from '../../../auth/credentials/webauthn.ts'
import type { Deps } from '../../../deps.ts'
import type { Caller } from '../../../domain/caller.ts'
import type { Assertion } from '../fields.ts'

/** A second factor, as bodies show it. */
export type ShownFactor =
  | { readonly totp: string }
  | { readonly recovery_code: string }
  | { readonly passkey: z.output<typeof Assertion> }

/** The second factor that a body shows; a passkey has signed the challenge `given`. */
export function factorShown(deps: Deps, shown: ShownFactor, given: Given, caller: Caller): Credential {
  if ('totp' in shown) return totp(deps, shown.totp, caller)
  if ('recovery_code' in shown) return recoveryCode(deps, shown.recovery_code, caller)
  return passkey(deps, given, assertionOf(shown.passkey), caller)
}

/** The form that the library takes. */
export function assertionOf(sent: z.output<typeof Assertion>): AuthenticationResponseJSON {
  const { userHandle, ...response } = sent.response
  return { ...sent, clientExtensionResults: {}, response: { ...response, ...(userHandle ? { userHandle } : {}) } }
}
