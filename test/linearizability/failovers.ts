import { type RedisProcess, type RedisSentinel, startCluster, startSentinel } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'
import { AOF } from '../support/world.ts'
import type { FaultCounts } from './faults.ts'
import { makeRandom, type Random } from './random.ts'
import { type Outcome, pause, run } from './run.ts'
import { openWorld } from './world.ts'

export type FailoverOptions = {
  readonly seed: number
  /** How many primaries go, one after the other. */
  readonly count: number
}

/** A primary without a replica in step takes no writes, and no reads either, as the first key of each is read by GETEX. */
const FENCED = [...AOF, '--min-replicas-to-write', '1', '--min-replicas-max-lag', '2']

/** A run under Sentinel: each second failover is a clean one, the others are the primary's kill -9 and its return as a replica. */
export async function runSentinelFailovers({
  seed,
  count,
}: FailoverOptions): Promise<Outcome & { readonly faults: FaultCounts }> {
  const sentinel = await startSentinel({ args: FENCED, downAfterMs: 5_000 })
  const fail = async (random: Random, turn: number) => {
    if (turn % 2 === 0) return failOver(sentinel)
    await killPrimary(sentinel, random)
    return 'primary killed'
  }
  return runFailovers(sentinel, { seed, count }, fail)
}

/** A run on a Cluster of three primaries with a replica each: a primary of the seed's choice is killed and comes back as a replica. */
export async function runClusterLosses({
  seed,
  count,
}: FailoverOptions): Promise<Outcome & { readonly faults: FaultCounts }> {
  const cluster = await startCluster({ replicas: 1, args: FENCED })
  return runFailovers(cluster, { seed, count }, async (random) => {
    const primaries = await eventually(() => settledPrimaries(cluster.nodes), { within: 30_000 })
    const primary = random.pick(primaries) as RedisProcess
    await primary.kill()
    const others = cluster.nodes.filter((node) => node !== primary)
    await eventually(async () => (await primariesOf(others)).length === 3, { within: 30_000 })
    await primary.restart()
    await eventually(() => settledPrimaries(cluster.nodes), { within: 30_000 })
    return 'Cluster primary killed'
  })
}

type Store = { readonly url: string; readonly stop: () => Promise<void> }
/** Lets a primary go; resolves to what was done when another one is there and the old one follows it. */
type Fail = (random: Random, turn: number) => Promise<string>

async function runFailovers(
  store: Store,
  { seed, count }: FailoverOptions,
  fail: Fail,
): Promise<Outcome & { readonly faults: FaultCounts }> {
  const faults: FaultCounts = new Map()
  try {
    const world = await openWorld({ redisUrl: store.url })
    const random = makeRandom(seed, 1000)
    const failAll = async (signal: AbortSignal) => {
      for (let turn = 0; turn < count && !signal.aborted; turn += 1) {
        await pause(random.between(1_500, 3_000), signal)
        const name = await fail(random, turn)
        faults.set(name, (faults.get(name) ?? 0) + 1)
      }
      await pause(2_000, signal)
    }
    try {
      return { ...(await run(world, { seed, trouble: failAll })), faults }
    } finally {
      await world.stop()
    }
  } finally {
    await store.stop()
  }
}

async function failOver(sentinel: RedisSentinel): Promise<string> {
  await sentinel.failover()
  await sentinel.settled()
  return 'clean failover'
}

async function killPrimary(sentinel: RedisSentinel, random: Random): Promise<void> {
  const old = await sentinel.settled()
  await old.kill()
  const isReplaced = async () => {
    const node = await sentinel.current()
    return node !== undefined && node !== old
  }
  await eventually(isReplaced, { within: 30_000 })
  await pause(random.between(0, 1_000), new AbortController().signal)
  await old.restart()
  await sentinel.settled()
}

/** The primaries, once there are three of them, each with its replica in step. */
async function settledPrimaries(nodes: readonly RedisProcess[]): Promise<RedisProcess[] | null> {
  const primaries = await primariesOf(nodes)
  const reports = await Promise.all(primaries.map((primary) => primary.cli('INFO', 'replication')))
  return primaries.length === 3 && reports.every((report) => report.includes('state=online')) ? primaries : null
}

async function primariesOf(nodes: readonly RedisProcess[]): Promise<RedisProcess[]> {
  const reports = await Promise.all(nodes.map((node) => node.cli('INFO', 'replication')))
  return nodes.filter((_, place) => reports[place]?.includes('role:master'))
}
