import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { type BrokenRule, judgePassword, normalisePassword } from '../../domain/password.ts'
import { spendForChange } from '../../domain/rotation.ts'
import { type Session, whyOver } from '../../domain/session.ts'
import { keys } from '../../store/keys.ts'
import { put } from '../../store/store.ts'
import { nextGeneration, type Self, unendedSessions } from '../sessions/open.ts'
import { endings, keepData, putSession, recordEnds } from '../sessions/session-writes.ts'
import { untilWon } from '../until-won.ts'
import { type GuessGuard, passwordCheck, type PasswordCheck } from './password.ts'

export type PasswordChanged =
  | { readonly kind: 'ok'; readonly session: Session }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'over' }
  | { readonly kind: 'unacceptable'; readonly rules: readonly BrokenRule[] }

/**
 * Changes the password. In one step: the caller's session goes on with its next refresh token, every other one ends,
 * every access token issued until now is dead.
 */
export async function changePassword(
  deps: Deps,
  self: Self,
  { current, next }: { readonly current: string; readonly next: string },
  caller: Caller,
  guard: GuessGuard,
): Promise<PasswordChanged> {
  const { config, hashing, store, record } = deps
  const found = await store.get(keys.user(self.userId))
  if (found === null) return { kind: 'over' }
  const rules = judgePassword(next, found.value.email, config.PASSWORD_MIN_LENGTH)
  if (rules.length > 0) return { kind: 'unacceptable', rules }
  const isRight = passwordCheck(deps, current)
  if (!(await isRight(found.value.passwordHash))) return { kind: 'wrong' }
  await guard()
  const passwordHash = await hashing.hash(normalisePassword(next))
  const changed = await untilWon(() => commitPassword(deps, self, { isRight, passwordHash }, caller))
  if (changed.kind === 'ok') record('password.changed', { user_id: self.userId, session_id: self.sessionId }, caller)
  return changed
}

async function commitPassword(
  deps: Deps,
  { userId, sessionId }: Self,
  { isRight, passwordHash }: { isRight: PasswordCheck; passwordHash: string },
  caller: Caller,
): Promise<PasswordChanged | null> {
  const { store, moment, graceMs } = deps
  const [user, own] = await store.getMany([keys.user(userId), keys.session(userId, sessionId)])
  if (user === null || own === null || whyOver(own.value, moment()) !== null) return { kind: 'over' }
  if (!(await isRight(user.value.passwordHash))) return { kind: 'wrong' }
  const { next, denials } = nextGeneration(deps, user.value)
  const session = { ...spendForChange(own.value as Session, moment(), graceMs()), generation: next.generation }
  const others = (await unendedSessions(deps, user.value)).filter(({ id }) => id !== sessionId)
  const { puts, deletes } = endings(deps, others, 'password_changed')
  const sessions = next.sessions.filter((id) => id === sessionId)
  const isWon = await store.commit({
    checks: [user, own],
    puts: [put(keys.user(userId), { ...next, passwordHash, sessions }, null), putSession(session), ...denials, ...puts],
    deletes,
    extensions: [keepData(deps, session)],
  })
  if (!isWon) return null
  recordEnds(deps, others, 'password_changed', caller)
  return { kind: 'ok', session }
}
