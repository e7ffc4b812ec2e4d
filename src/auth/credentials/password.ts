import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { SessionName } from '../../domain/session.ts'
import type { Credential } from './credential.ts'
import { guessesBehindToken } from './guesses.ts'
import { makePasswordCheck } from './password-check.ts'

/** The password, shown by a person who is logged in. */
export function passwordBehindToken(deps: Deps, self: SessionName, password: string, caller: Caller): Credential {
  const isRight = makePasswordCheck(deps, password)
  const guesses = guessesBehindToken(deps, self, caller)
  return {
    kind: 'password',
    async judge(user) {
      const isProven = await isRight(user.passwordHash)
      return isProven ? { amr: ['pwd'], user, events: [], mails: [] } : null
    },
    guesses: () => guesses,
  }
}
