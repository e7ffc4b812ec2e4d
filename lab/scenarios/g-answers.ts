import { type Proxy, startProxy } from '../../test/support/proxy.ts'
import type { Device, Result } from '../device.ts'
import type { Scenario, Trial } from '../scenario.ts'
import { newVisitors, type Visitor } from '../visitor.ts'

const SIX_MINUTES_S = 360 // an access token of Latchkey's lives five
const HOUR_S = 3600

export const answers: Scenario = {
  letter: 'G',
  name: 'tabs, tunnels and thieves',
  about:
    'Six tabs that renew at once, and six that renew as they need to; a proxy, with an address of its own, that drops answers after the server has acted; the same request again an hour later; and a thief with a copy of what the device keeps. Found means that the theft ends the session.',
  async run(trial) {
    const tunnel = await startProxy(trial.fleet.port)
    try {
      await tabs(trial, await newVisitors(trial, trial.size(2, 10)))
      await ride(trial, await newVisitors(trial, trial.size(2, 6)), tunnel)
      await theft(trial, await newVisitors(trial, trial.size(2, 6)))
    } finally {
      await tunnel.stop()
    }
  },
}

/** All renew before any has an answer; then each when it finds that it must, as its client does that. */
async function tabs({ fleet, tally }: Trial, visitors: readonly Visitor[]): Promise<void> {
  const open = visitors.flatMap(({ device }) => Array.from({ length: 6 }, () => device.tab()))
  const all = async (act: (tab: Device) => Promise<Result>) => {
    for (const result of await Promise.all(open.map(act))) tally.saw(result)
  }
  for (let round = 0; round < 3; round += 1) {
    await fleet.pass(SIX_MINUTES_S)
    await all((tab) => tab.renew())
    await all((tab) => tab.whoAmI())
    await fleet.pass(SIX_MINUTES_S)
    await all((tab) => tab.whoAmI())
  }
}

/** Each thing is done while answers are lost: once, so that the client's second try gets through, or twice, so that it gives up. */
async function ride({ fleet, tally }: Trial, visitors: readonly Visitor[], tunnel: Proxy): Promise<void> {
  for (const visitor of visitors) {
    const { device } = visitor
    device.move({ port: tunnel.port })
    for (const act of [device.renew, device.whoAmI, () => device.setTheme('dark'), device.login]) {
      await tunnel.loseReplies(1)
      tally.saw(await act())
    }
    await tunnel.loseReplies(1)
    await visitor.add('bought in the tunnel')
  }
  for (let hour = 0; hour < 3; hour += 1) {
    await tunnel.loseReplies(Infinity)
    await Promise.all(visitors.map(({ device }) => device.renew())) // nothing comes back
    await tunnel.pass()
    await fleet.pass(HOUR_S)
    for (const visitor of visitors) {
      await visitor.renew()
      await visitor.visit()
    }
  }
  for (const visitor of visitors) {
    await visitor.checkCart()
    visitor.device.move({ port: fleet.port })
  }
}

/** The owner goes on, then the thief comes; and where the thief comes first, the owner goes on. */
async function theft({ fleet, tally }: Trial, visitors: readonly Visitor[]): Promise<void> {
  const pairs = visitors.map(({ device }, turn) => {
    const copy = device.steal()
    return { device, copy, parties: turn % 2 === 0 ? [device, copy] : [copy, device] }
  })
  for (let round = 0; round < 3; round += 1) {
    for (const place of [0, 1]) {
      await fleet.pass(SIX_MINUTES_S)
      for (const { device, parties } of pairs) {
        await parties[place]?.renew()
        if (parties[place] === device) await device.whoAmI()
      }
    }
  }
  for (const { copy } of pairs) {
    tally.counts.thieves += 1
    const isAccepted = await Promise.all(fleet.ports().map(copy.isAcceptedAt))
    if (!isAccepted.includes(true)) tally.counts.thievesFound += 1
  }
}
