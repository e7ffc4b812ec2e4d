import { startRedis } from '../support/redis.ts'
import type { Broken } from './broken.ts'
import { type FaultCounts, injectFaults } from './faults.ts'
import { type Outcome, run } from './run.ts'
import { openWorld } from './world.ts'

/** A Redis that loses nothing it has answered. */
export const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always']

export type StandaloneOptions = {
  readonly seed: number
  readonly ms: number
  /** The real build unless told; a broken one is stopped at the first violation. */
  readonly broken?: Broken
}

/** A run on one Redis, with every fault that there is. */
export async function runStandalone({
  seed,
  ms,
  broken,
}: StandaloneOptions): Promise<Outcome & { readonly faults: FaultCounts }> {
  const redis = await startRedis({ args: DURABLE })
  const faults: FaultCounts = new Map()
  try {
    const world = await openWorld({
      redisUrl: redis.url,
      redisPort: redis.port,
      ...(broken === undefined ? {} : { broken }),
    })
    try {
      const outcome = await run(world, {
        seed,
        ms,
        trouble: (signal) => injectFaults(world, redis, { seed, signal, counts: faults }),
        stopAtViolation: broken !== undefined,
      })
      return { ...outcome, faults }
    } finally {
      await world.stop()
    }
  } finally {
    await redis.stop()
  }
}
