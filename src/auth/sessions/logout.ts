import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { RefreshClaim } from '../../domain/refresh-token.ts'
import { type OverReason, whyOver } from '../../domain/session.ts'
import { isSuperseded, readTokenState, revokeToken } from '../tokens/denylist.ts'
import { type Presented, sessionNamedBy } from '../tokens/presented.ts'
import { endSession, endSessions } from './end.ts'
import { readSessionAndUser } from './read.ts'
import { whyRefused } from './refresh.ts'

/** What a logout ends: the session of the token, all other sessions of its user, or all of them. */
export const LOGOUT_SCOPES = ['session', 'others', 'all'] as const
export type LogoutScope = (typeof LOGOUT_SCOPES)[number]

/** Why a token may not end other sessions than its own: it does not let its bearer in. */
export type NotLive =
  | { readonly code: 'token_invalid' | 'token_expired' | 'token_revoked' }
  | { readonly code: 'session_over'; readonly reason: OverReason }

/**
 * Logs out; null: done. Scope `session` ends the session of the first token whose session is alive; if none is, there is nothing
 * to do. Scopes `others` and `all` go by the first token that is live itself. If none is, or none is presented, nothing is
 * ended: the answer is why the first token is not live.
 */
export async function logOut(
  deps: Deps,
  presented: readonly Presented[],
  scope: LogoutScope,
  caller: Caller,
): Promise<NotLive | null> {
  if (presented.length === 0) return { code: 'token_invalid' }
  if (scope !== 'session') return endMany(deps, presented, scope, caller)
  for (const each of presented) if (await endOwn(deps, each, caller)) return null
  return null
}

/** Whether the session of a refresh token is over, or no longer remembered. */
export async function isSessionOver(deps: Deps, claim: RefreshClaim): Promise<boolean> {
  const { session } = await readSessionAndUser(deps, claim)
  return session === null || whyOver(session.value, deps.moment()) !== null
}

/**
 * Ends the session of the token; false: it was not alive. A session that is over is denied again: its end may not yet be safe
 * with a replica.
 */
async function endOwn(deps: Deps, presented: Presented, caller: Caller): Promise<boolean> {
  if (presented.kind === 'refresh') {
    if ((await readSessionAndUser(deps, presented.claim)).session === null) return false
  } else if (await isSuperseded(deps, presented.token)) {
    await revokeToken(deps, presented.token, caller) // the old token of a thief cannot end the session that goes on
    return false
  }
  return endSession(deps, { ...sessionNamedBy(presented), reason: 'logged_out', isVouched: true }, caller)
}

async function endMany(
  deps: Deps,
  presented: readonly Presented[],
  scope: 'others' | 'all',
  caller: Caller,
): Promise<NotLive | null> {
  const faults: NotLive[] = []
  for (const each of presented) {
    const fault = await whyNotLive(deps, each)
    if (fault !== null) faults.push(fault)
    else {
      const { userId, sessionId } = sessionNamedBy(each)
      const keep = scope === 'others' ? sessionId : null
      await endSessions(deps, { userId, keep, reason: 'logged_out' }, caller)
      return null
    }
  }
  return faults[0] ?? null
}

/** Why the token is not live; null: it is. */
async function whyNotLive(deps: Deps, presented: Presented): Promise<NotLive | null> {
  if (presented.kind === 'refresh') {
    const reason = await whyRefused(deps, presented.claim)
    return reason === null ? null : { code: 'session_over', reason }
  }
  if (!presented.isAdmissible) return { code: 'token_invalid' }
  const state = await readTokenState(deps, presented.token)
  return state === 'alive' ? null : { code: `token_${state}` }
}
