import { isDone, isInDoubt, type Kind, type Operation } from './history.ts'

/** How long after its answer an operation in doubt may still take effect: a stopped process or a full socket may hold it back. */
export const LATE_MS = 10_000

/** When it can no longer take effect. */
export function lastEffectAt(operation: Operation): number {
  return operation.endedAt + (isInDoubt(operation) ? LATE_MS : 0)
}

/** What the operator opens and shuts to a user: the account, and what only those with the role get at. */
const DOORS = {
  account: { opens: ['register', 'enable'], shuts: ['disable'], isOpenAtFirst: true },
  role: { opens: ['give-role'], shuts: ['register', 'take-role'], isOpenAtFirst: false },
} as const satisfies Record<string, { opens: readonly Kind[]; shuts: readonly Kind[]; isOpenAtFirst: boolean }>
export type Door = keyof typeof DOORS

/** Whether the operation may have opened or shut a door. */
export function mayMoveDoor(operation: Operation): boolean {
  const isOne = Object.values(DOORS).some(({ opens, shuts }) => isAny(operation, [...opens, ...shuts]))
  return isOne && (isDone(operation) || isInDoubt(operation))
}

/**
 * Whether the door was open to its user all through an operation, by what may have moved it (`moves`, of the same user): a move counts
 * unless another one, answered 2xx by then, certainly came after it. Null: it may have been either.
 */
export function isOpen(door: Door, moves: readonly Operation[], { startedAt, endedAt }: Operation): boolean | null {
  const { opens, shuts, isOpenAtFirst } = DOORS[door]
  const known = moves.filter((move) => isAny(move, [...opens, ...shuts]) && move.startedAt < endedAt)
  const settled = known.filter((move) => isDone(move) && move.endedAt < startedAt)
  const lasting = known.filter((move) => !settled.some((later) => lastEffectAt(move) < later.startedAt))
  const states = new Set(lasting.map((move) => isAny(move, opens)))
  if (settled.length === 0) states.add(isOpenAtFirst)
  const [state = null] = states
  return states.size === 1 ? state : null
}

function isAny({ kind }: Operation, kinds: readonly Kind[]): boolean {
  return kinds.includes(kind)
}
