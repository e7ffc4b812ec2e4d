import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { SessionName } from '../../domain/session.ts'
import { carryOut } from '../deed.ts'
import { readOwnSession } from '../sessions/read.ts'
import { putSession } from '../sessions/session-writes.ts'
import type { Bearer } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import { guessesBehindToken } from './guesses.ts'
import { makePasswordCheck } from './password-check.ts'

/** What a step-up comes to: the session, proven anew, or why not. */
export type SteppedUp = ({ readonly kind: 'ok' } & Bearer) | { readonly kind: 'wrong' } | { readonly kind: 'over' }

/**
 * Proves by the password that the caller is still the person who logged in: the session's `authAt` is now. Commits against the user's
 * record, so that a password change in between decides again. Throws TooMany after too many wrong passwords.
 */
export async function stepUp(deps: Deps, self: SessionName, password: string, caller: Caller): Promise<SteppedUp> {
  const guesses = guessesBehindToken(deps, self, caller)
  await guesses.guard()
  const isRight = makePasswordCheck(deps, password)
  return untilWon(async () => {
    const own = await readOwnSession(deps, self)
    if (own === null) return { kind: 'over' } as const
    const { user } = own
    if (!(await isRight(user.value.passwordHash))) return guesses.fail({ kind: 'wrong' } as const)
    await guesses.guard()
    const session = { ...own.session.value, authAt: deps.clock() }
    const deed = { checks: [user, own.session], puts: [putSession(session)], deletes: [], events: [] }
    return (await carryOut(deps, deed, caller)) ? { kind: 'ok' as const, session, user: user.value } : null
  })
}
