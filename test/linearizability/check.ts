import { type Door, isOpen, lastEffectAt, mayMoveDoor } from './doors.ts'
import { type Credential, isDone, isForbidden, isInDoubt, isRefused, type Operation } from './history.ts'

/** An answer that breaks a promise, and the operation that shows it. */
export type Violation = {
  readonly kind: 'accepted after its end' | 'refused without cause' | 'spent twice' | 'outside the contract'
  readonly operation: Operation
  /** What ended the credential that was accepted, or spent the code. */
  readonly after: Operation | null
}

/** What was found: the violations, and how many known answers could have been one. */
export type Findings = {
  readonly violations: readonly Violation[]
  /** Showings that began after the end of what they showed had been answered. */
  readonly ofEnded: number
  /** Showings of what nothing could have ended. */
  readonly ofAlive: number
}

/** Statuses that the clients' requests may be answered with, besides 2xx, 401 and those that leave it in doubt. */
const CONTRACT: Partial<Record<Operation['kind'], readonly number[]>> = {
  revoke: [404], // ended by now
  password: [403], // another change came first
  reset: [400], // another change came first, and what the mail holds is dead
  enrol: [400], // the code has become too old meanwhile
  'second-step': [401], // a wrong code, or a spent one
  'step-up': [403],
  'renew-codes': [400], // one of them is used
  'give-role': [404], // the account is gone by now
  'take-role': [404],
  disable: [404],
  enable: [404],
  remove: [404],
}

/** What is known of a credential when it is shown; null: it may be alive or ended. */
type Standing = { readonly kind: 'ended'; readonly by: Operation } | { readonly kind: 'alive' } | null

/** What could have ended credentials of one user, what could have moved doors, and when each credential has last been accepted. */
type Past = {
  readonly endings: readonly Operation[]
  readonly moves: readonly Operation[]
  readonly acceptedAt: ReadonlyMap<Credential, number>
}

/**
 * Judges a history, also of a run that is under way. Nothing is accepted that was ended by an operation answered 2xx before
 * the showing began; nothing is refused that no operation, done or in doubt, could have ended; and the same of what the operator has
 * shut. Between these two everything goes. No code is spent by two deeds.
 */
export function check(history: readonly Operation[]): Findings {
  const endings = groupByUser(history.filter(mayEnd))
  const moves = groupByUser(history.filter(mayMoveDoor))
  const acceptedAt = new Map<Credential, number>()
  const spentBy = new Map<string, Operation>()
  const violations: Violation[] = []
  const counts = { ended: 0, alive: 0 }
  for (const operation of history.filter((each) => !isInDoubt(each))) {
    const { user } = operation
    const past = { endings: endings.get(user) ?? [], moves: moves.get(user) ?? [], acceptedAt }
    const standing = standAtDoor(operation, past) ?? (isHeldBack(operation) ? null : stand(operation, past))
    if (standing) counts[standing.kind] += 1
    const violation = judge(operation, standing) ?? judgeCode(operation, spentBy)
    if (violation) violations.push(violation)
    if (operation.shows && isDone(operation)) acceptedAt.set(operation.shows, operation.startedAt)
  }
  return { violations, ofEnded: counts.ended, ofAlive: counts.alive }
}

function groupByUser(operations: readonly Operation[]): Map<string, Operation[]> {
  const groups = new Map<string, Operation[]>()
  for (const operation of operations) {
    const group = groups.get(operation.user)
    if (group) group.push(operation)
    else groups.set(operation.user, [operation])
  }
  return groups
}

/** Whether the operation may have ended something. */
export function mayEnd(operation: Operation): boolean {
  return operation.ends !== null && (isDone(operation) || isInDoubt(operation))
}

function stand(operation: Operation, past: Past): Standing {
  const { shows } = operation
  if (shows === null) return null
  const by = past.endings.find((ending) => precedes(ending, operation) && hasEnded(ending, shows))
  if (by) return { kind: 'ended', by }
  const isAlive =
    isDone(shows.grantedBy) &&
    !past.endings.some((ending) => mayHaveEnded(ending, operation, shows, past)) &&
    !mayBeShutIn(operation, past)
  return isAlive ? { kind: 'alive' } : null
}

/** Whether a challenge may be of a disabled account: an enabling in doubt, which the first step has seen, can be lost with a primary. */
function mayBeShutIn(operation: Operation, { moves }: Past): boolean {
  return operation.shows?.kind === 'challenge' && isOpen('account', moves, operation) !== true
}

/** Whether it was held back at a door: at that of a disabled account, or of those with the role. */
function isHeldBack(operation: Operation): boolean {
  return isForbidden(operation) && doorOf(operation) !== null
}

const SIGN_INS: ReadonlySet<Operation['kind']> = new Set(['login', 'first-step', 'second-step'])

function doorOf({ kind }: Operation): Door | null {
  return SIGN_INS.has(kind) ? 'account' : kind === 'verify-role' ? 'role' : null
}

/** How an operation stands that got through a door that was shut, or was held back at one that was open; null: it is neither. */
function standAtDoor(operation: Operation, { moves }: Past): Standing {
  const [door, { shows }] = [doorOf(operation), operation]
  if (door === null || shows === null) return null
  if (isDone(operation) && isOpen(door, moves, operation) === false)
    return { kind: 'ended', by: moves.findLast((move) => precedes(move, operation)) ?? shows.grantedBy }
  // A token says of the role what was so when it was granted.
  const when = door === 'role' ? shows.grantedBy : operation
  return isHeldBack(operation) && isOpen(door, moves, when) === true ? { kind: 'alive' } : null
}

function judge(operation: Operation, standing: Standing): Violation | null {
  if (isDone(operation)) {
    return standing?.kind === 'ended' ? { kind: 'accepted after its end', operation, after: standing.by } : null
  }
  if (isRefused(operation) || isHeldBack(operation)) {
    return standing?.kind === 'alive' ? { kind: 'refused without cause', operation, after: null } : null
  }
  const isKnown = CONTRACT[operation.kind]?.includes(operation.status) ?? false
  return isKnown ? null : { kind: 'outside the contract', operation, after: null }
}

/** All that a code is answered 2xx is the same deed: a repeat opens the same session, or proves the same one. */
function judgeCode(operation: Operation, spentBy: Map<string, Operation>): Violation | null {
  const { spends, kind, opened } = operation
  if (spends === null || !isDone(operation)) return null
  const after = spentBy.get(spends) ?? operation
  spentBy.set(spends, after)
  return after.kind === kind && after.opened === opened ? null : { kind: 'spent twice', operation, after }
}

function precedes(first: Operation, second: Operation): boolean {
  return first.endedAt < second.startedAt
}

/** Whether the ending, answered 2xx, has certainly ended the credential. */
function hasEnded(ending: Operation, shown: Credential): boolean {
  if (!isDone(ending) || ending.ends === null) return false
  if ('session' in ending.ends) return shown.session === ending.ends.session
  if (shown.kind === 'challenge') return precedes(shown.grantedBy, ending)
  if ('only' in ending.ends) return shown.kind === 'access' && precedes(shown.grantedBy, ending)
  if (shown.kind === 'password') return changesPassword(ending) && precedes(shown.grantedBy, ending)
  const isKept = shown.session === ending.ends.allBut
  if (!isKept && precedes(shown.openedBy, ending)) return true
  return shown.kind === 'access' && precedes(shown.grantedBy, ending)
}

/** Whether the ending may be why what is shown is over by the end of the showing. */
function mayHaveEnded(ending: Operation, showing: Operation, shown: Credential, { acceptedAt }: Past): boolean {
  const { ends } = ending
  if (ending === showing || ending === shown.grantedBy || ending.startedAt >= showing.endedAt || ends === null)
    return false
  const until = lastEffectAt(ending)
  if ((acceptedAt.get(shown) ?? 0) > until) return false
  if ('session' in ends) return shown.session === ends.session
  if (shown.kind === 'challenge') return shown.grantedBy.startedAt < until
  if ('only' in ends) return shown.kind === 'access' && shown.grantedBy.startedAt < until
  if (shown.kind === 'password' && !changesPassword(ending)) return false
  // The session goes on; a token of before the change is refused once another client of the session has got the next one.
  if (shown.kind === 'session' && shown.session === ends.allBut && showing.said !== 'password_changed') return false
  return shown.grantedBy.startedAt < until
}

function changesPassword({ kind }: Operation): boolean {
  return kind === 'password' || kind === 'reset' || kind === 'remove'
}
