import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { UNUSABLE } from '../../domain/password.ts'
import type { User } from '../../domain/user.ts'
import { keys } from '../../store/keys.ts'
import { type Entry, put } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import { mailKeys, readSecrets, writeSecretMail } from '../mail/secrets.ts'
import { readSessionsToEnd } from '../sessions/read.ts'
import { endWrites, nextGeneration } from '../sessions/session-writes.ts'
import { untilWon } from '../until-won.ts'

/**
 * Makes the password unusable: in one commit every session ends, every access token is denied, what was mailed before opens nothing,
 * and the mail to set another password is written. Of a disabled account none is, because it would open nothing. Again: one more mail,
 * with the same secret. False: there is no such user.
 */
export async function requireReset(deps: Deps, userId: string, caller: Caller): Promise<boolean> {
  const owner = { userId, purpose: 'reset' } as const
  const done = await untilWon(async () => {
    const state = await readSecrets(deps, owner)
    if (state.user === null) return 'unknown'
    const deed = await lockDeed(deps, state.user)
    const { email, locale = null, passwordHash, disabled } = state.user.value
    if (disabled) return (await carryOut(deps, { checks: [state.user], ...deed }, caller)) ? 'required' : null
    const mail = { kind: 'reset-password', email, locale, supersedes: passwordHash !== UNUSABLE } as const
    return (await writeSecretMail(deps, owner, state, mail, deed, caller)) ? 'required' : null
  })
  return done === 'required'
}

async function lockDeed(deps: Deps, user: Entry<User>) {
  const { id } = user.value
  const ended = endWrites(deps, await readSessionsToEnd(deps, user.value), 'password_reset')
  const { next, denial } = nextGeneration(deps, user.value)
  const locked = { ...next, passwordHash: UNUSABLE, sessions: [] }
  return {
    puts: [put(keys.user(id), locked, null), denial, ...ended.puts],
    deletes: [...mailKeys(id, 'reset'), ...ended.deletes],
    events: [...ended.events, { event: 'password.reset_required', user_id: id } as const],
  }
}
