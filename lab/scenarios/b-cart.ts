import type { Scenario } from '../scenario.ts'
import { together } from '../scenario.ts'
import { newVisitors, type Visitor } from '../visitor.ts'

const TABS = 4

export const cart: Scenario = {
  letter: 'B',
  name: 'a cart in four tabs',
  about:
    'Each round four tabs of one browser put something into the cart at once, then one goes a step on in a reservation; all that was acknowledged must be there when it is read next.',
  async run(trial) {
    const visitors = await newVisitors(trial, trial.size(2, 8))
    await Promise.all(visitors.map((visitor) => shop(visitor, trial.size(4, 25))))
  },
}

async function shop(visitor: Visitor, rounds: number): Promise<void> {
  const tabs = Array.from({ length: TABS }, () => visitor.device.tab())
  for (let round = 0; round < rounds; round += 1) {
    await together(TABS, (tab) => visitor.add(`item-${round}-${tab}`, tabs[tab]))
    await visitor.add(`step-${round}`, tabs[round % TABS])
    await visitor.checkCart()
  }
}
