import { eventually } from '../test/support/settle.ts'
import type { Device, Result } from './device.ts'
import { together, type Trial } from './scenario.ts'

/** A person who uses a device, logs in again when thrown out, and knows what is in the cart. */
export interface Visitor {
  readonly device: Device
  readonly login: () => Promise<void>
  readonly visit: () => Promise<Result>
  /** Remembers the item once it is acknowledged; another tab may do it. */
  readonly add: (item: string, tab?: Device) => Promise<Result>
  /** Counts what was acknowledged and is not there. */
  readonly checkCart: () => Promise<void>
  readonly renew: () => Promise<Result>
}

/** A new person with a device, not logged in. */
export async function newVisitor({ fleet, tally }: Trial): Promise<Visitor> {
  const device = fleet.newDevice(await fleet.newPerson())
  const acknowledged = new Set<string>()
  const enter = async () => {
    const result = await device.login()
    if (result.kind === 'out') await fleet.enrol(device.person) // the account has gone with the store's data
    return result.kind === 'out' ? device.login() : result
  }
  const orLogin = async (result: Result) => {
    if (tally.saw(result).kind === 'out') await enter()
    return result
  }
  return {
    device,
    login: () => loginSurely(device),
    visit: async () => orLogin(await device.whoAmI()),
    renew: async () => orLogin(await device.renew()),
    async add(item, tab = device) {
      const result = await orLogin(await tab.addToCart(item))
      if (result.kind === 'ok') acknowledged.add(item)
      return result
    },
    async checkCart() {
      const { kind, state } = await orLogin(await device.look())
      if (kind === 'failed') return
      const cart = new Set(state?.cart)
      tally.counts.lostData += [...acknowledged].filter((item) => !cart.has(item)).length
      acknowledged.clear()
    },
  }
}

/** A login is where a scenario begins, not what it is about: on a busy machine it may take two tries. */
export async function loginSurely(device: Device): Promise<void> {
  await eventually(async () => (await device.login()).kind === 'ok', { within: 20_000 })
}

/** New people, logged in. */
export function newVisitors(trial: Trial, count: number): Promise<Visitor[]> {
  return together(count, async () => {
    const visitor = await newVisitor(trial)
    await visitor.login()
    return visitor
  })
}
