import type { Deps } from '../deps.ts'
import type { Caller } from '../domain/caller.ts'
import type { Mail } from '../domain/mail.ts'
import { trailOf } from '../domain/trail.ts'
import type { User } from '../domain/user.ts'
import type { SecurityEvent } from '../events/security-events.ts'
import { announce, putMail } from '../mail/outbox.ts'
import { keys } from '../store/keys.ts'
import { append, type Commit, type Entry, put } from '../store/store.ts'

/** A commit, and what happens if it goes through: security events, all about one account, and mails. */
export interface Deed extends Commit {
  readonly events: readonly SecurityEvent[]
  readonly mails?: readonly Mail[]
}

/**
 * Commits a deed with its mails and with what it adds to the trail of the account, and then records its events; false: a check
 * lost, nothing is written, nothing recorded, nobody gets mail.
 */
export async function carryOut(deps: Deps, deed: Deed, caller: Caller): Promise<boolean> {
  const { events, mails = [], ...commit } = deed
  if (mails.length > 0) await announce(deps.store, mails, deps.clock())
  const told = { puts: [...commit.puts, ...mails.map(putMail)], ...appendToTrail(deps, events, caller) }
  const isWon = await deps.store.commit({ ...commit, ...told })
  if (!isWon) return false
  for (const event of events) deps.record(event, caller)
  if (mails.length > 0) deps.sender?.wake()
  return true
}

/**
 * Writes a user once more, as it was read, before it is said again that something is done: that may be written, and not yet be safe with a
 * replica, so a failover could lose it. False: the user has changed; read it and decide again.
 */
export async function vouchFor({ store }: Pick<Deps, 'store'>, { key, version, value }: Entry<User>): Promise<boolean> {
  return store.commit({ checks: [{ key, version }], puts: [put(key, value, null)], deletes: [] })
}

function appendToTrail({ clock, config }: Deps, events: Deed['events'], caller: Caller): Pick<Commit, 'append'> | null {
  const now = clock()
  const trailed = trailOf(events, caller, now)
  return trailed && { append: append(keys.trail(trailed.userId), trailed.rows, now + config.EVENTS_KEPT) }
}
