import type { Deps } from '../deps.ts'
import type { Caller } from '../domain/caller.ts'
import type { SecurityEvent } from '../events/security-events.ts'
import type { Commit } from '../store/store.ts'

/** A commit, and the security events that have happened if it goes through. */
export interface Deed extends Commit {
  readonly events: readonly SecurityEvent[]
}

/** Commits a deed and then records its events; false: a check lost, nothing is written and nothing recorded. */
export async function carryOut({ store, record }: Deps, deed: Deed, caller: Caller): Promise<boolean> {
  const { events, ...commit } = deed
  const isWon = await store.commit(commit)
  if (isWon) for (const event of events) record(event, caller)
  return isWon
}
