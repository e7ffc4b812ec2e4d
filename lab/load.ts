import { setTimeout as sleep } from 'node:timers/promises'
import type { Result } from './device.ts'
import type { Trial } from './scenario.ts'
import type { Visitor } from './visitor.ts'

/** Lets the visitors go about their business as long as `happen` takes, and a second more. */
export async function underLoad<T>(
  { random }: Trial,
  visitors: readonly Visitor[],
  happen: () => Promise<T>,
): Promise<T> {
  const state = { isOver: false }
  const browse = async (visitor: Visitor) => {
    for (let turn = 0; !state.isOver; turn += 1) {
      const { kind } = await act(visitor, turn)
      await sleep(kind === 'failed' ? 500 : 40 + random() * 120)
    }
  }
  const business = visitors.map(browse)
  try {
    const result = await happen()
    await sleep(1000)
    return result
  } finally {
    state.isOver = true
    await Promise.all(business)
  }
}

/** What a person does next. */
function act(visitor: Visitor, turn: number): Promise<Result> {
  if (turn % 5 === 1) return visitor.add(`item-${turn}`)
  return turn % 5 === 3 ? visitor.renew() : visitor.visit()
}
