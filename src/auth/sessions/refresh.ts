import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import type { RefreshClaim } from '../../domain/refresh-token.ts'
import { ageOf, decideRotation, type Rotation } from '../../domain/rotation.ts'
import type { OverReason, Session, SessionRecord } from '../../domain/session.ts'
import type { User } from '../../domain/user.ts'
import type { SecurityEvent, SpentToken } from '../../events/security-events.ts'
import type { Entry } from '../../store/store.ts'
import { carryOut } from '../deed.ts'
import type { Bearer } from '../tokens/issue.ts'
import { untilWon } from '../until-won.ts'
import { readSessionAndUser } from './read.ts'
import { endWrites, extendData, putSession } from './session-writes.ts'

/** What a refresh comes to: the session goes on, or why the token is refused. */
export type Refreshed =
  | ({ readonly kind: 'ok' } & Bearer)
  | { readonly kind: 'over'; readonly reason: OverReason }
  | { readonly kind: 'superseded' } // the password was changed since: the token is refused, and the session lives

/**
 * Spends a refresh token, or repeats the answer to one that is spent, or refuses it. Each try is one read and at most one
 * commit.
 */
export async function refresh(deps: Deps, claim: RefreshClaim, caller: Caller): Promise<Refreshed> {
  return untilWon(async () => {
    const { session, rotation, user } = await readAndDecide(deps, claim)
    if (rotation.kind === 'over' || rotation.kind === 'superseded')
      return recordRefusal(deps, claim, session?.value ?? null, rotation, caller)
    const live = { entry: session as Entry<Session>, user: user as User, claim }
    return rotation.kind === 'reuse' ? endForReuse(deps, live, caller) : continueSession(deps, live, rotation, caller)
  })
}

/** Records that somebody has shown a refresh token that is none of ours. */
export function refuseForeign({ record }: Deps, caller: Caller): void {
  const nobodys = { user_id: null, session_id: null, counter: null, last_used_at: null }
  record({ event: 'refresh.refused', ...nobodys, reason: 'token_invalid' }, caller)
}

/** Why a refresh with this token would be refused now; null: it would be accepted. Writes nothing. */
export async function whyRefused(deps: Deps, claim: RefreshClaim): Promise<OverReason | null> {
  const { rotation } = await readAndDecide(deps, claim)
  if (rotation.kind === 'over') return rotation.reason
  if (rotation.kind === 'superseded') return 'password_changed'
  return rotation.kind === 'reuse' ? 'token_reused' : null
}

interface Decision {
  readonly session: Entry<SessionRecord> | null
  readonly user: User | null
  readonly rotation: Rotation
}

async function readAndDecide(deps: Deps, claim: RefreshClaim): Promise<Decision> {
  const { session, user } = await readSessionAndUser(deps, claim)
  const decision = { session, user: user?.value ?? null }
  if (session === null) return { ...decision, rotation: { kind: 'over', reason: 'unknown' } }
  const rotation = decideRotation(session.value, claim.counter, deps.moment(), deps.graceMs())
  const isOwnerless = user === null && rotation.kind !== 'over'
  return { ...decision, rotation: isOwnerless ? { kind: 'over', reason: 'account_deleted' } : rotation }
}

/** A live session with its user, and the refresh token that was shown. */
interface Live {
  readonly entry: Entry<Session>
  readonly user: User
  readonly claim: RefreshClaim
}

async function continueSession(
  deps: Deps,
  { entry, user, claim }: Live,
  rotation: Extract<Rotation, { next: Session }>,
  caller: Caller,
): Promise<Refreshed | null> {
  const session =
    rotation.kind === 'repeat' ? rotation.next : { ...rotation.next, ip: caller.ip, userAgent: caller.userAgent }
  const write = { checks: [entry], puts: [putSession(session)], deletes: [], extensions: [extendData(deps, session)] }
  const ids = { user_id: session.userId, session_id: session.id }
  const events: readonly SecurityEvent[] =
    rotation.kind === 'late'
      ? lateEvents(deps, entry.value, session, claim)
      : [{ event: 'session.refreshed', ...ids, how: rotation.kind }]
  if (session === entry.value) for (const event of events) deps.record(event, caller)
  else if (!(await carryOut(deps, { ...write, mayBeLost: true, events }, caller))) return null // a lost rotation heals
  return { kind: 'ok', session, user }
}

async function endForReuse(deps: Deps, { entry, claim }: Live, caller: Caller): Promise<Refreshed | null> {
  const session = entry.value
  const { puts, deletes, events } = endWrites(deps, [session], 'token_reused')
  const reused: SecurityEvent = { event: 'session.reused', ...spentToken(deps, session, claim) }
  const deed = { checks: [entry], puts, deletes, events: [reused, ...events] }
  if (!(await carryOut(deps, deed, caller))) return null
  return recordRefusal(deps, claim, session, { kind: 'over', reason: 'token_reused' }, caller)
}

/**
 * The events of a late repeat. After the second in a row two clients may share the session: an operator can compare both
 * addresses in the log.
 */
function lateEvents(deps: Deps, before: Session, session: Session, claim: RefreshClaim): readonly SecurityEvent[] {
  const streak = session.late?.streak ?? 1
  const late = { ...spentToken(deps, before, claim), streak }
  const isDoubted = streak === 2 && before.late?.counter !== session.late?.counter
  const refreshed = { event: 'session.refreshed', ...late, how: 'late' } as const
  return isDoubted ? [refreshed, { event: 'session.doubted', ...late }] : [refreshed]
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

function recordRefusal<R extends Exclude<Refreshed, { kind: 'ok' }>>(
  { record }: Deps,
  { userId, sessionId, counter }: RefreshClaim,
  session: SessionRecord | null,
  refusal: R,
  caller: Caller,
): R {
  const reason = refusal.kind === 'over' ? refusal.reason : 'password_changed'
  const last_used_at = session?.kind === 'live' ? new Date(session.lastUsedAt).toISOString() : null
  const ids = { user_id: userId, session_id: sessionId }
  record({ event: 'refresh.refused', ...ids, reason, counter, last_used_at }, caller)
  return refusal
}
