import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { FakeTime } from '../test/support/faketime.ts'
import { type Proxy, startProxy } from '../test/support/proxy.ts'
import {
  type RedisCluster,
  type RedisProcess,
  type RedisSentinel,
  startCluster,
  startRedis,
  startSentinel,
} from '../test/support/redis.ts'
import { removeFolder, temporaryFolder } from '../test/support/redis-process.ts'
import type { StoreKind } from './contenders.ts'

/** A Redis that keeps what it has acknowledged. */
export type Store = { readonly url: string; readonly stop: () => Promise<void> } & (
  | ({ readonly kind: 'standalone' } & Standalone)
  | { readonly kind: 'sentinel'; readonly group: RedisSentinel }
  | { readonly kind: 'cluster'; readonly group: RedisCluster }
)

/** The faults of one Redis. */
export interface Standalone {
  readonly proxy: Proxy
  readonly freeze: () => void
  readonly thaw: () => void
  /** SIGKILL: connections are refused from then on. */
  readonly kill: () => Promise<void>
  readonly restart: () => Promise<void>
  /** While it is down: its data is destroyed. */
  readonly lose: () => Promise<void>
}

const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always']

/** An old primary does not take writes once it has lost its replicas. */
const FENCED = [...DURABLE, '--min-replicas-to-write', '1', '--min-replicas-max-lag', '2']

/** Starts one; a standalone one has the clock. */
export async function startStore(kind: StoreKind, clock: FakeTime): Promise<Store> {
  if (kind === 'standalone') return startStandalone(clock)
  const group =
    kind === 'sentinel' ? await startSentinel({ args: FENCED }) : await startCluster({ replicas: 1, args: FENCED })
  return { kind, group, url: group.url, stop: group.stop } as Store
}

async function startStandalone(clock: FakeTime): Promise<Store> {
  const dir = await temporaryFolder()
  const redis: RedisProcess = await startRedis({ dir, args: DURABLE, env: clock.env })
  const proxy = await startProxy(redis.port)
  return {
    kind: 'standalone',
    url: `redis://127.0.0.1:${proxy.port}`,
    proxy,
    freeze: redis.freeze,
    thaw: redis.thaw,
    async kill() {
      await redis.kill()
      await proxy.cut()
    },
    async restart() {
      await redis.restart()
      await proxy.pass()
    },
    async lose() {
      for (const name of await readdir(dir)) await rm(join(dir, name), { recursive: true })
    },
    async stop() {
      await proxy.stop()
      await redis.stop()
      await removeFolder(dir)
    },
  }
}
