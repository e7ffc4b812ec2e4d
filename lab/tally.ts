import type { Result } from './device.ts'

/** What a scenario has counted of one contender. */
export interface Counts {
  /** What people did. */
  outOf: number
  /** How often somebody who had not logged out was told to log in. */
  lostLogins: number
  /** Requests accepted that were sent after the answer that ended their session. */
  staleAccepts: number
  /** The oldest of them, counted from that answer. */
  staleForMs: number
  /** Items and settings that were acknowledged and missing later. */
  lostData: number
  /** What failed although the client tried again as it should. */
  failed: number
  /** Logins that went with the data of the store when that was destroyed. */
  destroyed: number
  /** Answers 401 and 500 to honest clients while the store failed, where 503 is right. */
  wrongStatuses: number
  /** From the end of the worst fault until every instance served again; null: nothing was broken. */
  recoveryMs: number | null
  /** Thieves with a copy of the credential, and how many were found out. */
  thieves: number
  thievesFound: number
}

/** Counts, and what counts. */
export interface Tally {
  readonly counts: Counts
  /** Counts what came of something an honest person did. */
  readonly saw: (result: Result) => Result
  /** Counts a request accepted at `at` (its start) although its session was ended by an answer at `endedAt`. */
  readonly stale: (at: number, endedAt: number) => void
  readonly recovered: (ms: number) => void
}

/** Nothing has been counted yet. */
export function makeTally(): Tally {
  const counts: Counts = {
    outOf: 0,
    lostLogins: 0,
    staleAccepts: 0,
    staleForMs: 0,
    lostData: 0,
    failed: 0,
    destroyed: 0,
    wrongStatuses: 0,
    recoveryMs: null,
    thieves: 0,
    thievesFound: 0,
  }
  return {
    counts,
    saw(result) {
      counts.outOf += 1
      if (result.kind === 'out') counts.lostLogins += 1
      if (result.kind === 'failed') counts.failed += 1
      return result
    },
    stale(at, endedAt) {
      counts.staleAccepts += 1
      counts.staleForMs = Math.max(counts.staleForMs, at - endedAt)
    },
    recovered: (ms) => void (counts.recoveryMs = Math.max(counts.recoveryMs ?? 0, ms)),
  }
}

/** Whether nothing went wrong that the contender could have helped. */
export function isClean(counts: Counts): boolean {
  const { lostLogins, staleAccepts, lostData, failed, wrongStatuses, thieves, thievesFound } = counts
  return lostLogins + staleAccepts + lostData + failed + wrongStatuses + (thieves - thievesFound) === 0
}
