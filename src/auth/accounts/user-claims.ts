import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { JsonObject } from '../../domain/merge-patch.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { put } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import { readOwner } from '../sessions/read.ts'
import { nextGeneration } from '../sessions/session-writes.ts'
import { untilWon } from '../until-won.ts'

// What the operator lets tokens say of a user. A change is one commit, with the next generation: older tokens are dead, no session
// has ended, and each client refreshes once.

/** Gives the user these roles and no others. False: there is no such user. */
export async function setRoles(deps: Deps, userId: string, roles: readonly string[], caller: Caller): Promise<boolean> {
  return change(deps, userId, { roles: [...new Set(roles)] }, 'roles.changed', caller)
}

/** Replaces what services are told about the user. False: there is no such user. */
export async function setApp(deps: Deps, userId: string, app: JsonObject, caller: Caller): Promise<boolean> {
  return change(deps, userId, { app }, 'app.changed', caller)
}

async function change(
  deps: Deps,
  userId: string,
  claims: Partial<Pick<User, 'roles' | 'app'>>,
  event: 'roles.changed' | 'app.changed',
  caller: Caller,
): Promise<boolean> {
  const changed = await untilWon(async () => {
    const user = await readOwner(deps, userId)
    if (user === null) return 'unknown'
    const { next, denial } = nextGeneration(deps, user.value)
    const puts = [put(keys.user(userId), { ...next, ...claims }, null), denial]
    const deed = { checks: [user], puts, deletes: [], events: [{ event, user_id: userId } as const] }
    return (await carryOut(deps, deed, caller)) ? 'changed' : null
  })
  return changed === 'changed'
}
