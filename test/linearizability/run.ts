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
  /** What is done to the world while the clients work; resolves when it is undone, soon after the signal. */
  readonly trouble: (signal: AbortSignal) => Promise<void>
  /** The clients stop when this has resolved … */
  readonly until: (signal: AbortSignal) => Promise<unknown>
  /** … or at the first violation. */
  readonly stopAtViolation?: boolean
}

const LOOK_MS = 500

/** Lets the clients work in trouble, heals the world, makes the last round, and judges everything. */
export async function run(
  world: World,
  { seed, trouble, until, stopAtViolation = false }: RunOptions,
): Promise<Outcome> {
  const history = openHistory()
  const clients = await makeClients(world.url, history, seed)
  const stop = new AbortController()
  const { signal } = stop
  const isOver = [until(signal), ...(stopAtViolation ? [violated(history.operations, signal)] : [])]
  const working = Promise.all([clients.work(signal), trouble(signal)])
  await Promise.race([...isOver, working]).finally(() => stop.abort())
  await working
  await world.healed()
  if (!stopAtViolation) await clients.lastRound(world.instances.map(({ service }) => service.url))
  return { seed, operations: history.operations, ...check(history.operations) }
}

async function violated(operations: readonly Operation[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted && check(operations).violations.length === 0) await pause(LOOK_MS, signal)
}

/** Sleeps, but not beyond the signal. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
}
