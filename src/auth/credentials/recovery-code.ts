import { randomBytes } from 'node:crypto'
import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { RECOVERY_KEY_BYTES, spendCode } from '../../domain/recovery-codes.ts'
import { unsealFor } from '../../domain/sealed-for.ts'
import { notice } from '../mail/notices.ts'
import type { Credential } from './credential.ts'
import { guessesAtFactor } from './factor-guesses.ts'

/** Stands for the key of whoever has no recovery codes: a code is judged as slowly. */
const NOBODYS = randomBytes(RECOVERY_KEY_BYTES)

/** A recovery code, for somebody who has lost the other factors. It is spent by the proof, and its owner is told. */
export function recoveryCode(deps: Deps, code: string, caller: Caller): Credential {
  return {
    kind: 'recovery_code',
    async judge(user) {
      const { recoveryCodes } = user.factors ?? {}
      const key = recoveryCodes && unsealFor(deps.authKeys, user.id, 'recovery codes', recoveryCodes.sealed)
      const left = spendCode(key ?? NOBODYS, recoveryCodes?.left ?? [], code)
      if (!user.factors || !recoveryCodes || !key || left === null) return null
      const factors = { ...user.factors, recoveryCodes: { ...recoveryCodes, left } }
      return {
        amr: ['mfa'],
        user: { ...user, factors },
        events: [{ event: 'recovery_code.used', user_id: user.id, left: left.length }],
        mails: notice(deps, user, 'recovery-code-used', caller),
      }
    },
    guesses: (user, sessionId) => guessesAtFactor(deps, 'recovery_code', { user, sessionId }, caller),
    shown: `recovery code ${code}`,
  }
}
