import { setTimeout as sleep } from 'node:timers/promises'
import { underLoad } from '../load.ts'
import type { Scenario, Trial } from '../scenario.ts'
import { newVisitors } from '../visitor.ts'

export const restarts: Scenario = {
  letter: 'D',
  name: 'servers come and go',
  about:
    'Under load: a rolling restart of all three instances, a fourth comes up, and one is ended by kill -9 and started again. A client tries once more.',
  async run(trial) {
    const visitors = await newVisitors(trial, trial.size(2, 12))
    await underLoad(trial, visitors, () => comeAndGo(trial))
    for (const visitor of visitors) await visitor.checkCart()
    await trial.fleet.servers[3]?.kill()
  },
}

/** A deployment goes on when the balancer has taken the server back; nginx does so after its fail_timeout. */
const FAIL_TIMEOUT_MS = 1100

async function comeAndGo({ fleet }: Trial): Promise<void> {
  const [first, second, third, fourth] = fleet.servers
  for (const server of [first, second, third]) {
    await server?.stop()
    await server?.start()
    await sleep(FAIL_TIMEOUT_MS)
  }
  await fourth?.start()
  await second?.kill()
  await second?.start()
}
