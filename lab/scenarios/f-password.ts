import type { Scenario, Trial } from '../scenario.ts'
import { replay, replayLater, steal, type Stolen } from '../thief.ts'
import { loginSurely } from '../visitor.ts'

export const password: Scenario = {
  letter: 'F',
  name: 'password changed',
  about:
    'One of three devices changes the password: it must stay logged in, the others must be out on every instance at once, a login with the new password in the same second must hold, and the old password must be refused.',
  async run(trial) {
    const stolen: Stolen[] = []
    for (let round = trial.size(2, 16); round > 0; round -= 1) stolen.push(...(await change(trial)))
    await replayLater(trial, stolen)
  },
}

async function change(trial: Trial): Promise<Stolen[]> {
  const { fleet, tally } = trial
  const person = await fleet.newPerson()
  const mine = fleet.newDevice(person)
  const others = [fleet.newDevice(person), fleet.newDevice(person)]
  for (const device of [mine, ...others]) await loginSurely(device)
  const stolen = others.map(steal)
  const old = person.password
  for (let tries = 0; person.password === old && tries < 10; tries += 1) {
    const { kind } = tally.saw(await mine.changePassword(`${old}, again`))
    if (kind === 'out') await loginSurely(mine)
  }
  const endedAt = fleet.now()
  for (const each of stolen) each.endedAt = endedAt
  const late = fleet.newDevice(person)
  await loginSurely(late)
  await replay(trial, stolen)
  for (const device of [mine, late]) {
    for (let request = 0; request < 4; request += 1) {
      if (tally.saw(await device.whoAmI()).kind === 'out') await loginSurely(device)
    }
  }
  const at = fleet.now()
  if ((await fleet.newDevice({ ...person, password: old }).login()).kind === 'ok') tally.stale(at, endedAt)
  return stolen
}
