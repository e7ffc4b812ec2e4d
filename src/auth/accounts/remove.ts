import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { deniedUntil } from '../../domain/revocation.ts'
import type { Session, Transport } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { absent, type Entry, put } from '../../store/store.ts'
import { type Asker, demandFreshIfEnrolled } from '../credentials/fresh.ts'
import { guessesBehindToken } from '../credentials/guesses.ts'
import { makePasswordCheck } from '../credentials/password-check.ts'
import { carryOut, type Deed } from '../deed.ts'
import { mailKeys } from '../mail/secrets.ts'
import { readOwner, readSessionsToEnd } from '../sessions/read.ts'
import { endWrites, nextGeneration } from '../sessions/session-writes.ts'
import { untilWon } from '../until-won.ts'
import { releaseAddress } from './email-claims.ts'
import { readTrailToForget } from './trail.ts'

/** What a removal comes to: done, a wrong password, or an account that is gone already. */
export type Removed =
  | { readonly kind: 'ok'; readonly transport: Transport }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'over' }

/**
 * Removes the account, its sessions and its data, and denies its access tokens, in one commit. Throws TooMany after too many
 * wrong passwords, and StepUpRequired.
 */
export async function removeAccount(
  deps: Deps,
  { self, claims }: Asker,
  password: string,
  caller: Caller,
): Promise<Removed> {
  const { userId, sessionId } = self
  const guesses = guessesBehindToken(deps, self, caller)
  await guesses.guard()
  const isRight = makePasswordCheck(deps, password)
  const removed = await untilWon(async () => {
    const user = await readOwner(deps, userId)
    if (user === null) return { kind: 'over' } as const
    demandFreshIfEnrolled(deps, user.value, claims)
    if (!(await isRight(user.value.passwordHash))) return guesses.fail({ kind: 'wrong' } as const)
    await guesses.guard()
    const { deed, sessions } = await removal(deps, user)
    const transport = sessions.find(({ id }) => id === sessionId)?.transport ?? 'body'
    return (await carryOut(deps, deed, caller)) ? { kind: 'ok' as const, user: user.value, transport } : null
  })
  if (removed.kind === 'ok') await releaseAddress(deps, removed.user)
  return removed
}

/** Removes the account for the operator, in the same way. False: there is no such user. */
export async function removeUser(deps: Deps, userId: string, caller: Caller): Promise<boolean> {
  const removed = await untilWon(async () => {
    const user = await readOwner(deps, userId)
    if (user === null) return (await vouchForAbsence(deps, userId)) ? 'unknown' : null
    const { deed } = await removal(deps, user)
    return (await carryOut(deps, deed, caller)) ? user.value : null
  })
  if (removed === 'unknown') return false
  await releaseAddress(deps, removed)
  return true
}

/** Denies the tokens of whoever was removed once more: the removal may be written, but not yet be safe with a replica. */
async function vouchForAbsence({ store, clock, config }: Deps, userId: string): Promise<boolean> {
  const denied = await store.get(keys.deniedBelow(userId))
  if (denied === null) return true
  const again = put(denied.key, denied.value, deniedUntil(clock(), config.ACCESS_TTL))
  return store.commit({ checks: [absent(keys.user(userId)), denied], puts: [again], deletes: [] })
}

/** The deed that removes the account, and the sessions that end with it. */
async function removal(
  deps: Deps,
  user: Entry<User>,
): Promise<{ readonly deed: Deed; readonly sessions: readonly Session[] }> {
  const { id } = user.value
  const [sessions, trail] = await Promise.all([readSessionsToEnd(deps, user.value), readTrailToForget(deps, id)])
  const { puts, deletes, events } = endWrites(deps, sessions, 'account_deleted')
  const deed: Deed = {
    checks: [user, trail.check],
    puts: [nextGeneration(deps, user.value).denial, ...puts],
    deletes: [keys.user(id), keys.preferences(id), keys.pendingTotp(id), ...mailKeys(id), ...deletes, ...trail.deletes],
    events: [...events, { event: 'account.deleted', user_id: id }],
  }
  return { deed, sessions }
}
