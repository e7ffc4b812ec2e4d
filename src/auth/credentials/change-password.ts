import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { type BrokenRule, normalisePassword } from '../../domain/password.ts'
import { spendForChange } from '../../domain/rotation.ts'
import type { Session } from '../../domain/session.ts'
import type { SecurityEvent } from '../../events/security-events.ts'
import { keys } from '../../store/keys.ts'
import { put } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import { notice } from '../mail/notices.ts'
import { mailKeys } from '../mail/secrets.ts'
import { readOwnSession, readSessionsToEnd } from '../sessions/read.ts'
import { endWrites, extendData, nextGeneration, putSession } from '../sessions/session-writes.ts'
import type { Bearer } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import { type Asker, demandFreshIfEnrolled } from './fresh.ts'
import { guessesBehindToken } from './guesses.ts'
import { judgeNewPassword } from './new-password.ts'
import { makePasswordCheck, type PasswordCheck } from './password-check.ts'

/** What a change of the password comes to: the session that goes on, or why nothing is changed. */
export type PasswordChanged =
  | ({ readonly kind: 'ok' } & Bearer)
  | { readonly kind: 'wrong' }
  | { readonly kind: 'over' }
  | { readonly kind: 'unacceptable'; readonly rules: readonly BrokenRule[] }

/**
 * Changes the password. In the same commit the caller's session goes on with its next refresh token, every other session ends,
 * and every access token issued until now is denied. Throws TooMany after too many wrong current passwords, and StepUpRequired.
 */
export async function changePassword(
  deps: Deps,
  { self, claims }: Asker,
  { current, next }: { readonly current: string; readonly next: string },
  caller: Caller,
): Promise<PasswordChanged> {
  const { hashing, store } = deps
  const guesses = guessesBehindToken(deps, self, caller)
  await guesses.guard()
  const found = await store.get(keys.user(self.userId))
  if (found === null) return { kind: 'over' }
  demandFreshIfEnrolled(deps, found.value, claims)
  const rules = await judgeNewPassword(deps, next, found.value.email)
  if (rules.length > 0) return { kind: 'unacceptable', rules }
  const isRight = makePasswordCheck(deps, current)
  if (!(await isRight(found.value.passwordHash))) return guesses.fail({ kind: 'wrong' })
  await guesses.guard()
  const passwordHash = await hashing.hash(normalisePassword(next))
  const changed = await untilWon(() => commitPassword(deps, { self, claims }, { isRight, passwordHash }, caller))
  return changed.kind === 'wrong' ? guesses.fail(changed) : changed
}

async function commitPassword(
  deps: Deps,
  { self: { userId, sessionId }, claims }: Asker,
  { isRight, passwordHash }: { isRight: PasswordCheck; passwordHash: string },
  caller: Caller,
): Promise<PasswordChanged | null> {
  const own = await readOwnSession(deps, { userId, sessionId })
  if (own === null) return { kind: 'over' }
  const { user } = own
  demandFreshIfEnrolled(deps, user.value, claims)
  if (!(await isRight(user.value.passwordHash))) return { kind: 'wrong' }
  const { next, denial } = nextGeneration(deps, user.value)
  const spent = spendForChange(own.session.value, deps.moment(), deps.graceMs())
  const session = { ...spent, passwordGeneration: next.generation }
  const others = (await readSessionsToEnd(deps, user.value)).filter(({ id }) => id !== sessionId)
  const { puts, deletes, events } = endWrites(deps, others, 'password_changed')
  const changed = { ...next, passwordHash, sessions: next.sessions.filter((id) => id === sessionId) }
  const deed = {
    checks: [user, own.session],
    puts: [put(keys.user(userId), changed, null), putSession(session), denial, ...puts],
    deletes: [...deletes, ...mailKeys(userId)],
    extensions: [extendData(deps, session)],
    events: [...events, passwordChanged(session)],
    mails: notice(deps, changed, 'password-changed', caller),
  }
  return (await carryOut(deps, deed, caller)) ? { kind: 'ok', session, user: changed } : null
}

function passwordChanged({ userId, id }: Session): SecurityEvent {
  return { event: 'password.changed', user_id: userId, session_id: id }
}
