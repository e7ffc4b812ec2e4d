import { type RedisProcess, startRedis } from './redis-process.ts'
import { eventually } from './settle.ts'

/** A Redis Cluster of the test's own: three primaries, then, if asked for, a replica of each in the same order. */
export type RedisCluster = {
  readonly url: string
  readonly nodes: readonly RedisProcess[]
  readonly stop: () => Promise<void>
}

/** How to start one. */
export type ClusterOptions = {
  /** Replicas of each primary. */
  readonly replicas?: 0 | 1
  /** Further arguments of every node. */
  readonly args?: readonly string[]
}

const SLOTS = ['0 5460', '5461 10922', '10923 16383']

/** Starts a Redis Cluster; resolves when every node calls it ok and every replica is in step. */
export async function startCluster({ replicas = 0, args = [] }: ClusterOptions = {}): Promise<RedisCluster> {
  const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', ...args]
  const start = () => Promise.all(SLOTS.map(() => startRedis({ args: settings })))
  const [primaries, followers] = await Promise.all([start(), replicas === 1 ? start() : []])
  const nodes = [...primaries, ...followers]
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())))
  try {
    await Promise.all(primaries.map(giveSlots))
    for (const node of nodes) await meet(node, nodes)
    await Promise.all(followers.map((follower, index) => follow(follower, primaries[index])))
    await Promise.all(nodes.map((node) => joined(node, nodes.length)))
  } catch (error) {
    await stop()
    throw error
  }
  return { url: `redis+cluster://${primaries.map(({ port }) => `127.0.0.1:${port}`).join()}`, nodes, stop }
}

// An epoch each saves the nodes from sorting out equal ones.
async function giveSlots(primary: RedisProcess, index: number): Promise<void> {
  await primary.cli('CLUSTER', 'SET-CONFIG-EPOCH', `${index + 1}`)
  await primary.cli('CLUSTER', 'ADDSLOTSRANGE', ...(SLOTS[index] ?? '').split(' '))
}

// Everyone meets everyone: to wait for gossip takes seconds.
async function meet(node: RedisProcess, nodes: readonly RedisProcess[]): Promise<void> {
  for (const other of nodes) if (other !== node) await node.cli('CLUSTER', 'MEET', '127.0.0.1', `${other.port}`)
}

async function follow(follower: RedisProcess, primary: RedisProcess | undefined): Promise<void> {
  const id = (await primary?.cli('CLUSTER', 'MYID')) ?? ''
  await eventually(async () => (await follower.cli('CLUSTER', 'REPLICATE', id)) === 'OK', { within: 10_000 })
  await eventually(async () => (await follower.cli('INFO', 'replication')).includes('master_link_status:up'), {
    within: 10_000,
  })
}

async function joined(node: RedisProcess, count: number): Promise<void> {
  const signs = ['cluster_state:ok', 'cluster_slots_ok:16384', `cluster_known_nodes:${count}\r`]
  const agrees = async () => {
    const info = await node.cli('CLUSTER', 'INFO')
    return signs.every((sign) => info.includes(sign))
  }
  await eventually(agrees, { within: 15_000 })
}
