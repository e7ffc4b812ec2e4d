import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../test/support/settle.ts'
import { underLoad } from './load.ts'
import type { Trial } from './scenario.ts'
import { replay, steal, type Stolen } from './thief.ts'
import { newVisitors, type Visitor } from './visitor.ts'

/** Something that happens to a store, and what ends it. */
export interface Fault {
  readonly begin: () => Promise<unknown>
  readonly lastsMs: number
  readonly end: () => Promise<unknown>
  /** The data is gone: whoever was logged in is not any more, and that is counted apart. */
  readonly destroys?: boolean
}

const RECOVERY_MS = 30_000

/**
 * Lets it happen while the stayers go about their business. Some log out before it and some while it lasts; where that is
 * acknowledged, copies of their credentials are shown to every instance as long as it lasts and when it is over.
 */
export async function suffer(trial: Trial, stayers: readonly Visitor[], fault: Fault): Promise<void> {
  const { counts, recovered } = trial.tally
  const before = { lostLogins: counts.lostLogins, wrong: wrongStatuses(trial) }
  const [early, late] = await Promise.all([newVisitors(trial, 2), newVisitors(trial, 2)])
  const gone = await Promise.all(early.map((visitor) => leave(trial, visitor)))
  const stolen = await underLoad(trial, stayers, async () => {
    await fault.begin()
    const leaving = Promise.all(late.map((visitor) => leave(trial, visitor)))
    const replaying = replay(trial, gone)
    await sleep(fault.lastsMs)
    await fault.end()
    const endedAt = performance.now()
    await recover(trial)
    recovered(performance.now() - endedAt)
    await replaying
    return [...gone, ...(await leaving)]
  })
  await replay(trial, stolen)
  if (fault.destroys === true) {
    counts.destroyed += counts.lostLogins - before.lostLogins
    counts.lostLogins = before.lostLogins
    return
  }
  counts.wrongStatuses += wrongStatuses(trial) - before.wrong
  for (const stayer of stayers) await stayer.checkCart()
}

/** Answers so far that say of a session what the service could not know, or nothing that a client can use. */
function wrongStatuses({ fleet: { statuses } }: Trial): number {
  return (statuses.get(401) ?? 0) + (statuses.get(500) ?? 0)
}

async function leave({ fleet, tally }: Trial, { device }: Visitor): Promise<Stolen> {
  const stolen = steal(device)
  const { kind } = await device.logout()
  if (kind === 'ok') stolen.endedAt = fleet.now()
  else tally.counts.failed += 1
  return stolen
}

/** Resolves when a new login is good on every instance. */
async function recover({ fleet }: Trial): Promise<void> {
  const person = { email: `probe-${performance.now()}@example.org`, password: 'seven red bicycles in the rain' }
  const probe = fleet.newDevice(person)
  await eventually(() => fleet.enrol(person).then(() => true), { within: RECOVERY_MS })
  const serves = async () => {
    if ((await probe.login()).kind !== 'ok') return false
    const copy = probe.steal()
    const accepted = await Promise.all(fleet.ports().map((port) => copy.isAcceptedAt(port)))
    return !accepted.includes(false)
  }
  await eventually(serves, { within: RECOVERY_MS })
}
