import type { Copy, Device } from './device.ts'
import type { Trial } from './scenario.ts'

/** A stolen credential, and when its session was ended by an answer; undefined: it has not been. */
export interface Stolen {
  readonly copy: Copy
  endedAt?: number
}

const HOUR_S = 3600
const DAY_S = 24 * HOUR_S

/** Copies what the device holds. */
export const steal = (device: Device): Stolen => ({ copy: device.steal() })

/** Shows every copy whose session is over to every instance, one time each, and counts what is accepted. */
export async function replay({ fleet, tally }: Trial, stolen: readonly Stolen[]): Promise<void> {
  for (const { copy, endedAt } of stolen) {
    if (endedAt === undefined) continue
    for (const port of fleet.ports()) {
      const at = fleet.now()
      tally.counts.outOf += 1
      if (await copy.isAcceptedAt(port)) tally.stale(at, endedAt)
    }
  }
}

/** The same again an hour, a day and thirteen days later. */
export async function replayLater(trial: Trial, stolen: readonly Stolen[]): Promise<void> {
  for (const seconds of [HOUR_S, DAY_S - HOUR_S, 12 * DAY_S]) {
    await trial.fleet.pass(seconds)
    await replay(trial, stolen)
  }
}
