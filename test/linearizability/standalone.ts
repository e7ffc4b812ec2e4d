import { startRedis } from '../support/redis.ts'
import { AOF } from '../support/world.ts'
import type { Broken } from './broken.ts'
import { type FaultCounts, injectFaults } from './faults.ts'
import { type Outcome, pause, run, type RunOptions } from './run.ts'
import { openWorld } from './world.ts'

export type StandaloneOptions = Omit<RunOptions, 'trouble'> & {
  /** The real build, in trouble, unless told; a broken one needs none. */
  readonly broken?: Broken
}

/** A run on one Redis, with every fault that there is. */
export async function runStandalone({
  broken,
  ...options
}: StandaloneOptions): Promise<Outcome & { readonly faults: FaultCounts }> {
  const redis = await startRedis({ args: AOF })
  const faults: FaultCounts = new Map()
  try {
    const world = await openWorld({
      redisUrl: redis.url,
      redisPort: redis.port,
      ...(broken === undefined ? {} : { broken }),
    })
    try {
      const trouble = (signal: AbortSignal) =>
        broken === undefined
          ? injectFaults(world, redis, { seed: options.seed, signal, counts: faults })
          : pause(60_000, signal)
      const outcome = await run(world, { ...options, trouble })
      return { ...outcome, faults }
    } finally {
      await world.stop()
    }
  } finally {
    await redis.stop()
  }
}
