import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { baseArgs, type RedisProcess, removeFolder, runRedis, startRedis, temporaryFolder } from './redis-process.ts'
import { eventually } from './settle.ts'

/** One primary, two replicas and three Sentinels; `primary` and `replicas` name the roles they started in. */
export type RedisSentinel = {
  readonly url: string
  readonly primary: RedisProcess
  readonly replicas: readonly RedisProcess[]
  readonly sentinels: readonly RedisProcess[]
  /** The node that all Sentinels that answer call primary, undefined while they differ. */
  readonly current: () => Promise<RedisProcess | undefined>
  /** A clean failover; resolves as `moved` does: the old primary still takes writes. */
  readonly failover: () => Promise<RedisProcess>
  /** Resolves to another primary than that one when all Sentinels name it and it has a replica. */
  readonly moved: (from: RedisProcess | undefined) => Promise<RedisProcess>
  /** Resolves to the current primary when both other nodes follow it. */
  readonly settled: () => Promise<RedisProcess>
  readonly stop: () => Promise<void>
}

/** How to start one. */
export type SentinelOptions = {
  /** Silence after which a Sentinel calls a node down, 3 s unless told: with less, one that is held up is failed over for nothing, and it is ten seconds until it is told. */
  readonly downAfterMs?: number
  /** After twice this a Sentinel may try the next failover, 3 s unless told. */
  readonly failoverTimeoutMs?: number
  /** Further arguments of the primary and the replicas. */
  readonly args?: readonly string[]
  /** Puts something in front of the primary's port, and says by which port all but its pinned clients know it. */
  readonly front?: (port: number) => Promise<number>
}

const NAME = 'latchkey'

/** Starts Redis under Sentinel; resolves when all replicas are in step and all Sentinels know each other and them. */
export async function startSentinel(options: SentinelOptions = {}): Promise<RedisSentinel> {
  const started: RedisProcess[] = []
  const stop = async () => void (await Promise.all(started.map((one) => one.stop())))
  const keep = async (starting: Promise<RedisProcess>) => {
    const one = await starting
    started.push(one)
    return one
  }
  try {
    const { args = [], front = async (port: number) => port } = options
    const behind = await keep(startRedis({ args }))
    const primary = known(behind, await front(behind.port))
    const follow = ['--replicaof', '127.0.0.1', `${primary.port}`, ...args]
    const replicas = await Promise.all([1, 2].map(() => keep(startRedis({ args: follow }))))
    await eventually(() => hasReplicas(primary, 2), { within: 10_000 }) // a Sentinel that comes earlier looks again after 10 s
    const sentinels = await Promise.all([1, 2, 3].map(() => keep(startWatching(primary, options))))
    await Promise.all(sentinels.map((sentinel) => eventually(() => knowsAll(sentinel), { within: 15_000 })))
    return { ...operate([primary, ...replicas], sentinels), primary: behind, replicas, sentinels, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The same process, by another port. */
function known(node: RedisProcess, port: number): RedisProcess {
  return { ...node, port }
}

function operate(nodes: readonly RedisProcess[], sentinels: readonly RedisProcess[]) {
  const current = async () => {
    const ports = new Set((await Promise.all(sentinels.map(primaryOf))).filter((port) => port !== undefined))
    return ports.size === 1 ? nodes.find(({ port }) => ports.has(port)) : undefined
  }
  const currentWith = async (count: number) => {
    const node = await current()
    return node !== undefined && (await hasReplicas(node, count)) ? node : undefined
  }
  const moved = (from: RedisProcess | undefined) => {
    const next = async () => {
      const node = await currentWith(1)
      return node?.port === from?.port ? undefined : node
    }
    return eventually(next, { within: 30_000 })
  }
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join()}/${NAME}`,
    current,
    moved,
    settled: () => eventually(() => currentWith(2), { within: 30_000 }),
    async failover() {
      const old = await current()
      await eventually(() => sentinels[0]?.cli('SENTINEL', 'FAILOVER', NAME), { within: 15_000 })
      return moved(old)
    },
  }
}

async function startWatching(primary: RedisProcess, options: SentinelOptions): Promise<RedisProcess> {
  const { downAfterMs = 3_000, failoverTimeoutMs = 3_000 } = options
  const [port, dir] = [await freePort(), await temporaryFolder()]
  const file = join(dir, 'sentinel.conf') // Sentinel keeps its state in it
  const config = [
    `sentinel monitor ${NAME} 127.0.0.1 ${primary.port} 2`,
    `sentinel down-after-milliseconds ${NAME} ${downAfterMs}`,
    `sentinel failover-timeout ${NAME} ${failoverTimeoutMs}`,
  ]
  await writeFile(file, config.join('\n'))
  const args = [file, '--sentinel', ...baseArgs(port, dir)]
  return runRedis({ port, args, readyLine: 'Sentinel ID is', cleanUp: () => removeFolder(dir) })
}

async function hasReplicas(node: RedisProcess, count: number): Promise<boolean> {
  const info = await node.cli('INFO', 'replication')
  return info.includes('role:master') && info.split('state=online').length - 1 >= count
}

async function knowsAll(sentinel: RedisProcess): Promise<boolean> {
  const state = await sentinel.cli('SENTINEL', 'MASTER', NAME)
  return ['flags\nmaster', 'num-slaves\n2', 'num-other-sentinels\n2'].every((sign) => state.includes(sign))
}

function primaryOf(sentinel: RedisProcess): Promise<number | undefined> {
  return sentinel.cli('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME).then(
    (address) => Number(address.split('\n')[1]),
    () => undefined, // it is down
  )
}
