import { randomBytes } from 'node:crypto'
import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { unsealFor } from '../../domain/sealed-for.ts'
import { stepOf, TOTP_SECRET_BYTES } from '../../domain/totp.ts'
import type { Credential } from './credential.ts'
import { guessesAtFactor } from './factor-guesses.ts'

/** Stands for the secret of whoever has no authenticator app: a code is judged as slowly. */
const NOBODYS = randomBytes(TOTP_SECRET_BYTES)

/** A code of an authenticator app. Its step is spent by the proof. */
export function totp(deps: Deps, code: string, caller: Caller): Credential {
  return {
    kind: 'totp',
    async judge(user) {
      const { totp: enrolled } = user.factors ?? {}
      const secret = enrolled && unsealFor(deps.authKeys, user.id, 'totp', enrolled.sealed)
      const step = stepOf(secret ?? NOBODYS, code, deps.clock(), enrolled?.lastStep ?? 0)
      if (!user.factors || !enrolled || !secret || step === null) return null
      const factors = { ...user.factors, totp: { ...enrolled, lastStep: step } }
      return { amr: ['otp', 'mfa'], user: { ...user, factors }, events: [], mails: [] }
    },
    guesses: (user, sessionId) => guessesAtFactor(deps, 'totp', { user, sessionId }, caller),
    shown: `totp ${code}`,
  }
}
