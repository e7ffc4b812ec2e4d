import type { Device } from '../device.ts'
import type { Scenario, Trial } from '../scenario.ts'
import { loginSurely } from '../visitor.ts'

const WEEK_S = 7 * 24 * 3600

export const settings: Scenario = {
  letter: 'C',
  name: 'settings',
  about:
    'A theme is set, then read three times, from a second device that was logged in before, from a third that logs in now, and from all three after a week in which nobody came.',
  async run(trial) {
    const { fleet, size } = trial
    const people = await Promise.all(
      Array.from({ length: size(2, 12) }, async () => {
        const person = await fleet.newPerson()
        const devices = [fleet.newDevice(person), fleet.newDevice(person), fleet.newDevice(person)] as const
        await loginSurely(devices[0])
        await loginSurely(devices[1])
        return devices
      }),
    )
    for (const [first, second, third] of people) {
      trial.tally.saw(await setSurely(first))
      await loginSurely(third)
      for (const device of [first, first, first, second, third]) await read(trial, device)
    }
    await fleet.pass(WEEK_S)
    for (const devices of people) for (const device of devices) await read(trial, device)
  },
}

/** Logs in again as often as it takes to set the theme once. */
async function setSurely(device: Device) {
  for (let tries = 0; ; tries += 1) {
    const result = await device.setTheme('dark')
    if (result.kind !== 'out' || tries === 10) return result
    await loginSurely(device)
  }
}

async function read({ tally }: Trial, device: Device): Promise<void> {
  const result = tally.saw(await device.look())
  if (result.kind === 'out') await loginSurely(device)
  if (result.kind !== 'failed' && result.state?.theme !== 'dark') tally.counts.lostData += 1
}
