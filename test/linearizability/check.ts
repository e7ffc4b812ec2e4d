import { type Credential, isDone, isInDoubt, isRefused, type Operation } from './history.ts'

/** An answer that breaks a promise, and the operations that show it. */
export type Violation = {
  readonly kind: 'accepted after its end' | 'refused without cause' | 'outside the contract'
  readonly operation: Operation
  /** What ended the credential that was accepted. */
  readonly after: Operation | null
}

/** How long after its answer an operation in doubt may still take effect: a stopped process or a full socket may hold it back. */
export const LATE_MS = 10_000

/** Statuses that the clients' requests may be answered with, besides 2xx, 401 and those that leave it in doubt. */
const CONTRACT: Partial<Record<Operation['kind'], readonly number[]>> = {
  revoke: [404], // ended by now
  password: [403], // another change came first
}

/**
 * Judges a history, also of a run that is under way. Nothing is accepted that was ended by an operation answered 2xx before
 * the showing began; nothing is refused that no operation, done or in doubt, could have ended. Between these two everything goes.
 */
export function check(history: readonly Operation[]): Violation[] {
  const endings = new Map<string, Operation[]>()
  for (const operation of history.filter(mayEnd)) {
    endings.set(operation.user, [...(endings.get(operation.user) ?? []), operation])
  }
  return history.flatMap((operation) => judge(operation, endings.get(operation.user) ?? []))
}

function mayEnd(operation: Operation): boolean {
  return operation.ends !== null && (isDone(operation) || isInDoubt(operation))
}

function judge(operation: Operation, endings: readonly Operation[]): Violation[] {
  const { kind, shows, status } = operation
  if (isDone(operation)) {
    const after = shows && endings.find((ending) => precedes(ending, operation) && hasEnded(ending, shows))
    return after ? [{ kind: 'accepted after its end', operation, after }] : []
  }
  if (isRefused(operation)) {
    const isExcused = shows === null || !isDone(shows.grantedBy) || endings.some((ending) => explains(ending, operation, shows))
    return isExcused ? [] : [{ kind: 'refused without cause', operation, after: null }]
  }
  const isKnown = isInDoubt(operation) || CONTRACT[kind]?.includes(status)
  return isKnown ? [] : [{ kind: 'outside the contract', operation, after: null }]
}

function precedes(first: Operation, second: Operation): boolean {
  return first.endedAt < second.startedAt
}

/** Whether the ending, answered 2xx, has certainly ended the credential. */
function hasEnded(ending: Operation, shown: Credential): boolean {
  if (!isDone(ending) || ending.ends === null) return false
  if ('session' in ending.ends) return shown.session === ending.ends.session
  if (shown.kind === 'password') return ending.kind === 'password' && precedes(shown.grantedBy, ending)
  const isKept = shown.session === ending.ends.allBut
  if (!isKept && precedes(shown.openedBy, ending)) return true
  return shown.kind === 'access' && precedes(shown.grantedBy, ending)
}

/** Whether the ending may be why the credential was refused. */
function explains(ending: Operation, refused: Operation, shown: Credential): boolean {
  if (ending === refused || ending === shown.grantedBy || ending.startedAt >= refused.endedAt || ending.ends === null) return false
  if ('session' in ending.ends) return shown.session === ending.ends.session
  if (shown.kind === 'password' && ending.kind !== 'password') return false
  if (shown.kind === 'session' && shown.session === ending.ends.allBut) return false
  return shown.grantedBy.startedAt < ending.endedAt + (isInDoubt(ending) ? LATE_MS : 0)
}
