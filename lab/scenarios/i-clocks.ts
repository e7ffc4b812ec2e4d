import { setTimeout as sleep } from 'node:timers/promises'
import { type Scenario, together, type Trial } from '../scenario.ts'
import { replay, steal } from '../thief.ts'
import { newVisitors, type Visitor } from '../visitor.ts'

const SIX_MINUTES_S = 360
/** A clock that is wrong has been so for a while, and who sets his own by another has looked. */
const A_WHILE_MS = 2500

export const clocks: Scenario = {
  letter: 'I',
  name: 'clocks that differ',
  about:
    'One instance is ninety seconds ahead, one ninety behind: logins used at once on every instance, tabs that renew on all of them, a logout and its copy.',
  async run(trial) {
    const { fleet } = trial
    const [first, , third] = fleet.servers
    await Promise.all([first?.skew(90), third?.skew(-90)])
    await sleep(A_WHILE_MS)
    try {
      const visitors = await newVisitors(trial, trial.size(2, 12))
      await Promise.all(visitors.map((visitor) => goAbout(visitor)))
      for (let round = 0; round < 2; round += 1) {
        await fleet.pass(SIX_MINUTES_S)
        await Promise.all(visitors.map((visitor) => renewInTabs(trial, visitor)))
      }
      await Promise.all(visitors.map((visitor) => leave(trial, visitor)))
    } finally {
      await Promise.all([first?.skew(0), third?.skew(0)])
      await sleep(A_WHILE_MS)
    }
  },
}

async function goAbout(visitor: Visitor): Promise<void> {
  for (let request = 0; request < 12; request += 1) {
    await visitor.visit()
    if (request % 4 === 0) await visitor.add(`item-${request}`)
  }
  await visitor.checkCart()
}

/** Tabs that do not start in the same moment: the second finds what the first has used already. */
async function renewInTabs({ tally }: Trial, { device }: Visitor): Promise<void> {
  const tabs = Array.from({ length: 6 }, () => device.tab())
  await together(3, async (tab) => tally.saw((await tabs[tab]?.whoAmI()) as never))
  await together(6, async (tab) => tally.saw((await tabs[tab]?.whoAmI()) as never))
}

async function leave(trial: Trial, { device }: Visitor): Promise<void> {
  const stolen = steal(device)
  if ((await device.logout()).kind === 'ok') stolen.endedAt = trial.fleet.now()
  await replay(trial, [stolen])
}
