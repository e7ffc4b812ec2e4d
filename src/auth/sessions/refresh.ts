import type { Deps } from '../../deps.ts'
import type { AccessClaims } from '../../domain/access-token.ts'
import { isSame } from '../../domain/auth-secret.ts'
import type { Caller } from '../../domain/caller.ts'
import type { RefreshClaim } from '../../domain/refresh-token.ts'
import { ageOf, confirm, decideRotation, type Rotation } from '../../domain/rotation.ts'
import type { OverReason, Session, SessionRecord } from '../../domain/session.ts'
import type { SpentToken } from '../../events/security-events.ts'
import { keys } from '../../store/keys.ts'
import type { Entry } from '../../store/store.ts'
import { demandStore } from '../tokens/denylist.ts'
import { untilWon } from '../until-won.ts'
import { endings, keepData, putSession, recordEnds } from './session-writes.ts'

export type Refreshed =
  | { readonly kind: 'ok'; readonly session: Session }
  | { readonly kind: 'over'; readonly reason: OverReason }
  | { readonly kind: 'superseded' } // by a password change: this token is refused, the session lives

/** Answers a refresh token: the next one, the same one again, or why not. One read and at most one commit a try. */
export async function refresh(deps: Deps, claim: RefreshClaim, caller: Caller): Promise<Refreshed> {
  return untilWon(async () => {
    const entry = await readSession(deps, claim)
    if (entry === null) return refuse(deps, claim, null, { kind: 'over', reason: 'unknown' }, caller)
    const rotation = judge(deps, entry, claim)
    if (rotation.kind === 'over' || rotation.kind === 'superseded')
      return refuse(deps, claim, entry.value, rotation, caller)
    if (rotation.kind === 'reuse') return endForReuse(deps, entry as Entry<Session>, claim, caller)
    return settle(deps, entry as Entry<Session>, claim, rotation, caller)
  })
}

/** Why a refresh with this token would be refused now; null: it would be accepted. Changes nothing. */
export async function whyRefused(deps: Deps, claim: RefreshClaim): Promise<OverReason | null> {
  const entry = await readSession(deps, claim)
  if (entry === null) return 'unknown'
  const rotation = judge(deps, entry, claim)
  if (rotation.kind === 'over') return rotation.reason
  if (rotation.kind === 'superseded') return 'password_changed'
  return rotation.kind === 'reuse' ? 'token_reused' : null
}

/** The record of the session that the token belongs to; null if there is none or the token is not of its making. */
export async function readSession(deps: Deps, claim: RefreshClaim): Promise<Entry<SessionRecord> | null> {
  const [identity, entry] = await deps.store.getMany([keys.identity, keys.session(claim.userId, claim.sessionId)])
  demandStore(deps, identity, deps.keyring.identity())
  return entry && isSame(Buffer.from(entry.value.secret), Buffer.from(claim.secret)) ? entry : null
}

/** Remembers that an access token of the session's current rotation has been seen. Losing this only makes the rules milder. */
export async function confirmRotation({ store }: Deps, { sub, sid, rtc }: AccessClaims): Promise<void> {
  await untilWon(async () => {
    const entry = await store.get(keys.session(sub, sid))
    const confirmed = entry && confirm(entry.value, rtc)
    if (!confirmed) return true
    const write = { checks: [entry], puts: [putSession(confirmed)], deletes: [], mayBeLost: true } as const
    return (await store.commit(write)) || null
  })
}

function judge({ moment, graceMs, keyring }: Deps, entry: Entry<SessionRecord>, claim: RefreshClaim): Rotation {
  const isOfAnother = entry.value.kind === 'live' && entry.value.store !== keyring.identity()
  if (isOfAnother) return { kind: 'over', reason: 'revoked' } // everything was revoked since
  return decideRotation(entry.value, claim.counter, moment(), graceMs())
}

async function settle(
  deps: Deps,
  entry: Entry<Session>,
  claim: RefreshClaim,
  rotation: Extract<Rotation, { next: Session }>,
  caller: Caller,
): Promise<Refreshed | null> {
  const session =
    rotation.kind === 'repeat' ? rotation.next : { ...rotation.next, ip: caller.ip, userAgent: caller.userAgent }
  const write = { checks: [entry], puts: [putSession(session)], deletes: [], extensions: [keepData(deps, session)] }
  if (session !== entry.value && !(await deps.store.commit({ ...write, mayBeLost: true }))) return null // it heals
  if (rotation.kind === 'late') recordLate(deps, entry.value, session, claim, caller)
  else deps.record('session.refreshed', { user_id: session.userId, session_id: session.id, how: rotation.kind }, caller)
  return { kind: 'ok', session }
}

async function endForReuse(
  deps: Deps,
  entry: Entry<Session>,
  claim: RefreshClaim,
  caller: Caller,
): Promise<Refreshed | null> {
  const session = entry.value
  const { puts, deletes } = endings(deps, [session], 'token_reused')
  if (!(await deps.store.commit({ checks: [entry], puts, deletes }))) return null
  deps.record('session.reused', spentToken(deps, session, claim), caller)
  recordEnds(deps, [session], 'token_reused', caller)
  return refuse(deps, claim, session, { kind: 'over', reason: 'token_reused' }, caller)
}

/** At the second late repeat in a row two may share the session: whoever watches the log can look at both addresses. */
function recordLate(deps: Deps, before: Session, session: Session, claim: RefreshClaim, caller: Caller): void {
  const streak = session.late?.streak ?? 1
  const late = { ...spentToken(deps, before, claim), streak }
  deps.record('session.refreshed', { ...late, how: 'late' }, caller)
  if (streak === 2 && before.late?.counter !== session.late?.counter) deps.record('session.doubted', late, caller)
}

function spentToken({ moment }: Deps, session: Session, { counter }: RefreshClaim): SpentToken {
  return {
    user_id: session.userId,
    session_id: session.id,
    counter,
    current_counter: session.counter,
    spent_ms_ago: ageOf(session, counter, moment()) ?? null,
    last_ip: session.ip,
    last_user_agent: session.userAgent,
  }
}

function refuse<R extends Exclude<Refreshed, { kind: 'ok' }>>(
  { record }: Deps,
  { userId, sessionId, counter }: RefreshClaim,
  session: SessionRecord | null,
  refusal: R,
  caller: Caller,
): R {
  const reason = refusal.kind === 'over' ? refusal.reason : 'password_changed'
  const last_used_at = session?.kind === 'live' ? new Date(session.lastUsedAt).toISOString() : null
  record('refresh.refused', { user_id: userId, session_id: sessionId, reason, counter, last_used_at }, caller)
  return refusal
}
