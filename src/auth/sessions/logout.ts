import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { RefreshClaim } from '../../domain/refresh-token.ts'
import { type OverReason, whyOver } from '../../domain/session.ts'
import type { VerifiedToken } from '../tokens/claims-cache.ts'
import { admit, isSuperseded, revokeToken } from '../tokens/denylist.ts'
import { endSession, endSessions, type Self } from './open.ts'
import { readSession, whyRefused } from './refresh.ts'

/** What names a session of ours: a refresh token by its seal, or an access token by its signature, however old it is and whoever it was for. */
export type Credential =
  | { readonly kind: 'refresh'; readonly claim: RefreshClaim }
  | { readonly kind: 'access'; readonly token: VerifiedToken; readonly isAdmissible: boolean }

export type LogoutScope = 'session' | 'others' | 'all'

/** Why a credential may not end other sessions than its own: it would let nobody in. */
export type NotLive =
  | { readonly code: 'token_invalid' | 'token_expired' | 'token_revoked' }
  | { readonly code: 'session_over'; readonly reason: OverReason }

/**
 * Ends the session of the first credential whose session is alive; where none is, all is as it should be. `others` and `all`
 * go by the first credential that is live itself; where none is, says why the first is not. Without any nothing is ended.
 */
export async function logOut(
  deps: Deps,
  credentials: readonly Credential[],
  scope: LogoutScope,
  caller: Caller,
): Promise<NotLive | null> {
  if (credentials.length === 0) return { code: 'token_invalid' }
  if (scope !== 'session') return endMany(deps, credentials, scope, caller)
  for (const credential of credentials) if (await endOwn(deps, credential, caller)) return null
  return null
}

/** Whether the session of a refresh token is over, or forgotten. */
export async function isSessionOver(deps: Deps, claim: RefreshClaim): Promise<boolean> {
  const entry = await readSession(deps, claim)
  return entry === null || whyOver(entry.value, deps.moment()) !== null
}

/** Ends the credential's session; false: there was none alive. What is over is denied again: its end may not yet be safe with a replica. */
async function endOwn(deps: Deps, credential: Credential, caller: Caller): Promise<boolean> {
  if (credential.kind === 'refresh') {
    if ((await readSession(deps, credential.claim)) === null) return false
  } else if (await isSuperseded(deps, credential.token)) {
    await revokeToken(deps, credential.token.claims, caller) // a thief's old one cannot end the session that goes on
    return false
  }
  return endSession(deps, { ...selfOf(credential), reason: 'logged_out', isVouched: true }, caller)
}

async function endMany(
  deps: Deps,
  credentials: readonly Credential[],
  scope: 'others' | 'all',
  caller: Caller,
): Promise<NotLive | null> {
  const faults: NotLive[] = []
  for (const credential of credentials) {
    const fault = await whyNotLive(deps, credential)
    if (fault !== null) faults.push(fault)
    else {
      const { userId, sessionId } = selfOf(credential)
      await endSessions(deps, { userId, keep: scope === 'others' ? sessionId : null }, caller)
      return null
    }
  }
  return faults[0] ?? null
}

async function whyNotLive(deps: Deps, credential: Credential): Promise<NotLive | null> {
  if (credential.kind === 'refresh') {
    const reason = await whyRefused(deps, credential.claim)
    return reason === null ? null : { code: 'session_over', reason }
  }
  if (!credential.isAdmissible) return { code: 'token_invalid' }
  const admission = await admit(deps, credential.token)
  return admission === 'alive' ? null : { code: `token_${admission}` }
}

function selfOf(credential: Credential): Self {
  if (credential.kind === 'refresh') return credential.claim
  const { sub, sid } = credential.token.claims
  return { userId: sub, sessionId: sid }
}
