import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { put } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import { mailKeys } from '../mail/secrets.ts'
import { readOwner, readSessionsToEnd } from '../sessions/read.ts'
import { endWrites, nextGeneration } from '../sessions/session-writes.ts'
import { untilWon } from '../until-won.ts'

/**
 * Lets nobody in to the account: in one commit its sessions end, its tokens are denied, and what is under way by mail opens nothing.
 * Again: with this reason. False: there is no such user.
 */
export async function disable(deps: Deps, userId: string, reason: string | null, caller: Caller): Promise<boolean> {
  const done = await untilWon(async () => {
    const user = await readOwner(deps, userId)
    if (user === null) return 'unknown'
    const ended = endWrites(deps, await readSessionsToEnd(deps, user.value), 'disabled')
    const { next, denial } = nextGeneration(deps, user.value)
    const disabled = { at: user.value.disabled?.at ?? deps.clock(), ...(reason === null ? {} : { reason }) }
    const written = put(keys.user(userId), { ...next, disabled, sessions: [] }, null)
    const deed = {
      checks: [user],
      puts: [written, denial, ...ended.puts],
      deletes: [...mailKeys(userId), ...ended.deletes],
      events: [...ended.events, { event: 'account.disabled', user_id: userId } as const],
    }
    return (await carryOut(deps, deed, caller)) ? 'disabled' : null
  })
  return done === 'disabled'
}

/** Lets the owner log in again. False: there is no such user. */
export async function enable(deps: Deps, userId: string, caller: Caller): Promise<boolean> {
  const done = await untilWon(async () => {
    const user = await readOwner(deps, userId)
    if (user === null) return 'unknown'
    const { disabled, ...open }: User = user.value
    const events = disabled ? [{ event: 'account.enabled', user_id: userId } as const] : []
    const deed = { checks: [user], puts: [put(keys.user(userId), open, null)], deletes: [], events }
    return (await carryOut(deps, deed, caller)) ? 'enabled' : null
  })
  return done === 'enabled'
}
