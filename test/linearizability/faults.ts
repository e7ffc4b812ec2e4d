import { setTimeout as sleep } from 'node:timers/promises'
import type { Proxy } from '../support/proxy.ts'
import type { RedisProcess } from '../support/redis.ts'
import { makeRandom, type Random } from './random.ts'
import { pause } from './run.ts'
import type { Instance, World } from './world.ts'

/** How often each fault was injected. */
export type FaultCounts = Map<string, number>

/** A fault, from its beginning to its undoing. */
type Fault = { readonly name: string; readonly strike: (random: Random) => Promise<void> }

/** What the injection is told. */
type Orders = { readonly seed: number; readonly signal: AbortSignal; readonly counts: FaultCounts }

/** Injects faults chosen by the seed, one at the store and one elsewhere at a time, until the signal; resolves when the last one is undone. */
export async function injectFaults(world: World, redis: RedisProcess, orders: Orders): Promise<void> {
  const streams = [storeFaults(redis), [...instanceFaults(world), ...networkFaults(world)]]
  await Promise.all(streams.map((faults, stream) => strike(faults, makeRandom(orders.seed, 1000 + stream), orders)))
}

async function strike(faults: readonly Fault[], random: Random, { signal, counts }: Orders): Promise<void> {
  while (!signal.aborted) {
    await pause(random.between(300, 2_500), signal)
    const fault = random.pick(faults)
    if (fault === undefined || signal.aborted) continue
    counts.set(fault.name, (counts.get(fault.name) ?? 0) + 1)
    await fault.strike(random)
  }
}

function storeFaults(redis: RedisProcess): Fault[] {
  return [
    {
      name: 'store killed',
      async strike(random) {
        await redis.kill()
        await sleep(random.between(0, 500))
        await redis.restart()
      },
    },
    { name: 'store frozen', strike: (random) => frozen(redis, random.between(200, 2_000)) },
  ]
}

function instanceFaults({ instances }: World): Fault[] {
  const one = (random: Random) => random.pick(instances) as Instance
  return [
    { name: 'instance stopped', strike: (random) => frozen(one(random).service, random.between(200, 3_000)) },
    { name: 'instance killed', strike: (random) => one(random).restart() },
  ]
}

function networkFaults({ front, instances }: World): Fault[] {
  const stores = instances.map(({ store }) => store).filter((store) => store !== null)
  const fronts = [front, ...instances.flatMap((instance) => [instance.front, instance.adminFront])]
  const on = (
    name: string,
    proxies: readonly Proxy[],
    start: (proxy: Proxy, random: Random) => Promise<void>,
  ): Fault => ({
    name,
    async strike(random) {
      const proxy = random.pick(proxies) as Proxy
      await start(proxy, random)
      await sleep(random.between(100, 1_500))
      await proxy.pass()
    },
  })
  return [
    on('replies of the store lost', stores, (proxy, random) => proxy.loseReplies(random.between(1, 6))),
    on('store out of reach', stores, (proxy) => proxy.cut()),
    on('connection to the store silent', stores, (proxy) => proxy.freeze()),
    on('store slow', stores, (proxy, random) => proxy.delay(random.between(20, 400))),
    on('answers lost', fronts, (proxy, random) => proxy.loseReplies(random.between(1, 6))),
    on('requests and answers held up', fronts, (proxy) => proxy.freeze()),
  ]
}

async function frozen(process: { readonly freeze: () => void; readonly thaw: () => void }, ms: number): Promise<void> {
  process.freeze()
  await sleep(ms)
  process.thaw()
}
