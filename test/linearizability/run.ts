import { setTimeout as sleep } from 'node:timers/promises'
import { check, type Findings } from './check.ts'
import { makeClients } from './clients.ts'
import { openHistory, type Operation } from './history.ts'
import type { World } from './world.ts'

/** What came out of a run. */
export type Outcome = Findings & { readonly seed: number; readonly operations: readonly Operation[] }

/** How to run. */
export type RunOptions = {
  readonly seed: number
  /** What is done to the world while the clients work; they stop when it is over. At the signal it undoes what it has done and ends. */
  readonly trouble: (signal: AbortSignal) => Promise<void>
  /** The signal comes after this long at the latest; without it the trouble ends by itself. */
  readonly ms?: number
  /** What is found so far is looked at now and then: true gives the signal. */
  readonly isEnough?: (findings: Findings, operations: readonly Operation[]) => boolean
}

const LOOK_MS = 500

/** Lets the clients work in trouble, heals the world, makes the last round unless a violation is known by then, and judges everything. */
export async function run(world: World, { seed, trouble, ms, isEnough }: RunOptions): Promise<Outcome> {
  const history = openHistory()
  const { operations } = history
  const clients = await makeClients(world, history, seed, world.mailed)
  const stop = new AbortController()
  const working = clients.work(stop.signal)
  const watching = isEnough && awaitEnough(operations, isEnough, stop)
  const timer = ms === undefined ? undefined : setTimeout(() => stop.abort(), ms)
  await trouble(stop.signal).finally(() => stop.abort())
  clearTimeout(timer)
  await Promise.all([working, watching])
  await world.healed()
  if (check(operations).violations.length === 0)
    await clients.lastRound(world.instances.map(({ service }) => service.url))
  return { seed, operations, ...check(operations) }
}

async function awaitEnough(
  operations: readonly Operation[],
  isEnough: NonNullable<RunOptions['isEnough']>,
  stop: AbortController,
): Promise<void> {
  while (!stop.signal.aborted && !isEnough(check(operations), operations)) await pause(LOOK_MS, stop.signal)
  stop.abort()
}

/** Sleeps, but not beyond the signal. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
}
