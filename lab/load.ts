import { setTimeout as sleep } from 'node:timers/promises'
import type { Trial } from './scenario.ts'
import type { Visitor } from './visitor.ts'

/** Lets the visitors go about their business as long as `happen` takes, and a second more. */
export async function underLoad<T>(
  { random }: Trial,
  visitors: readonly Visitor[],
  happen: () => Promise<T>,
): Promise<T> {
  let isOver = false
  const browse = async (visitor: Visitor) => {
    for (let turn = 0; !isOver; turn += 1) {
      if (turn % 5 === 1) await visitor.add(`item-${turn}`)
      else if (turn % 5 === 3) await visitor.renew()
      else await visitor.visit()
      await sleep(20 + random() * 60)
    }
  }
  const business = visitors.map(browse)
  try {
    const result = await happen()
    await sleep(1000)
    return result
  } finally {
    isOver = true
    await Promise.all(business)
  }
}
