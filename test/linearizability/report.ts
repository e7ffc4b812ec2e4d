import { mayEnd, type Violation } from './check.ts'
import { mayMoveDoor } from './doors.ts'
import { isDone, isForbidden, isInDoubt, isRefused, type Operation } from './history.ts'
import type { Outcome } from './run.ts'

/** So many operations that came before a violation are told with it. */
const BEFORE = 12

/** A violation in one line, with the operations that show it. */
export function tell({ kind, operation, after }: Violation): string {
  const shown = operation.shows ? ` of ${nameOf(operation)}, granted by ${lineOf(operation.shows.grantedBy)}` : ''
  const cause = after ? `, ${kind === 'spent twice' ? 'spent' : 'ended'} by ${lineOf(after)}` : ''
  return `${kind}: ${lineOf(operation)}${shown}${cause}`
}

function nameOf({ shows }: Operation): string {
  return shows === null ? '' : `${shows.user} ${shows.session} ${shows.name}`
}

function lineOf({ number, kind, status, said, startedAt, endedAt }: Operation): string {
  return `#${number} ${kind} ${status}${said === '' ? '' : ` ${said}`} (${startedAt.toFixed(1)} to ${endedAt.toFixed(1)} ms)`
}

/** What ended something of that user, or shut a door to them, or may have, before it was over: the last ones, a line each. */
function tellBefore({ operation: { user, endedAt } }: Violation, operations: readonly Operation[]): string {
  return operations
    .filter((each) => each.user === user && each.startedAt < endedAt)
    .filter((each) => mayMoveDoor(each) || mayEnd(each))
    .slice(-BEFORE)
    .map((each) => `\n    after ${lineOf(each)}`)
    .join('')
}

/** The run in a few lines: operations by kind and outcome, what was done to the world, violations, the seed. */
export function summarise(
  { seed, operations, violations, ofEnded, ofAlive }: Outcome,
  troubles: ReadonlyMap<string, number>,
): string {
  const kinds = [...new Set(operations.map(({ kind }) => kind))].toSorted()
  const rows = kinds.map((kind) => {
    const ofKind = operations.filter((operation) => operation.kind === kind)
    const [done, refused, held, doubt] = [isDone, isRefused, isForbidden, isInDoubt].map(
      (is) => ofKind.filter(is).length,
    )
    return `  ${kind.padEnd(14)} ${ofKind.length}: ${done} done, ${refused} refused, ${held} held back, ${doubt} in doubt`
  })
  const struck = [...troubles].map(([name, count]) => `  ${name}: ${count}`)
  return [
    `seed ${seed}, ${operations.length} operations`,
    ...rows,
    'faults',
    ...struck,
    `shown after their end: ${ofEnded}; shown when nothing could have ended them: ${ofAlive}`,
    `violations: ${violations.length}`,
    ...violations.slice(0, 10).map((violation) => `  ${tell(violation)}${tellBefore(violation, operations)}`),
  ].join('\n')
}
