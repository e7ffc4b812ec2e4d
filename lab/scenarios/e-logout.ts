import { type Scenario, together, type Trial } from '../scenario.ts'
import { replay, replayLater, steal, type Stolen } from '../thief.ts'
import { newVisitors, type Visitor } from '../visitor.ts'

export const logout: Scenario = {
  letter: 'E',
  name: 'logged out here, used there',
  about:
    'A copy of the credential is shown to every instance from the moment the logout is answered, and an hour, a day and thirteen days later. In one case of three another tab puts things into the cart while the logout is under way.',
  async run(trial) {
    const stolen: Stolen[] = []
    for (let round = trial.size(2, 12); round > 0; round -= 1) {
      const visitors = await newVisitors(trial, 3)
      stolen.push(...(await Promise.all(visitors.map((visitor, turn) => leave(trial, visitor, turn === 0)))))
    }
    await replayLater(trial, stolen)
  },
}

async function leave(trial: Trial, { device }: Visitor, isBusy: boolean): Promise<Stolen> {
  const stolen = steal(device)
  const tab = device.tab()
  const shopping = together(isBusy ? 3 : 0, (item) => tab.addToCart(`item-${item}`))
  const { kind } = await device.logout()
  if (kind === 'ok') stolen.endedAt = trial.fleet.now()
  else trial.tally.counts.failed += 1
  await replay(trial, [stolen])
  await shopping
  await replay(trial, [stolen])
  return stolen
}
