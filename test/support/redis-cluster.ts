import { setTimeout as sleep } from 'node:timers/promises'
import { type RedisProcess, startRedis } from './redis-process.ts'
import { eventually } from './settle.ts'

/** A Redis Cluster of the test's own: three primaries, then, if asked for, a replica of each in the same order. */
export type RedisCluster = {
  readonly url: string
  readonly nodes: readonly RedisProcess[]
  /** The primary that has had the slot of this key from the start. */
  readonly home: (key: string) => Promise<RedisProcess>
  /** Moves the slot of a key that is there to the primary `to`, one key after the other, as resharding does. */
  readonly moveSlot: (key: string, to: RedisProcess) => Promise<void>
  readonly stop: () => Promise<void>
}

/** How to start one. */
export type ClusterOptions = {
  /** Replicas of each primary. */
  readonly replicas?: 0 | 1
  /** Further arguments of every node. */
  readonly args?: readonly string[]
}

/** How long a slot that moves stays as it is: with none of its keys moved, with one, and with all. */
const MOVING_MS = 300
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
  return {
    url: `redis+cluster://${primaries.map(({ port }) => `127.0.0.1:${port}`).join()}`,
    nodes,
    home: (key) => homeOf(primaries, key),
    moveSlot: (key, to) => moveSlot(primaries, key, to),
    stop,
  }
}

async function homeOf(primaries: readonly RedisProcess[], key: string): Promise<RedisProcess> {
  const slot = Number(await primaries[0]?.cli('CLUSTER', 'KEYSLOT', key))
  const index = SLOTS.findIndex((range) => slot <= Number(range.split(' ')[1]))
  return primaries[index] as RedisProcess
}

async function moveSlot(primaries: readonly RedisProcess[], key: string, to: RedisProcess): Promise<void> {
  const slot = await to.cli('CLUSTER', 'KEYSLOT', key)
  const counts = await Promise.all(primaries.map((node) => node.cli('CLUSTER', 'COUNTKEYSINSLOT', slot)))
  const from = primaries[counts.findIndex((count) => count !== '0')] as RedisProcess
  const target = await to.cli('CLUSTER', 'MYID')
  await to.cli('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await from.cli('CLUSTER', 'MYID'))
  await from.cli('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target)
  await sleep(MOVING_MS)
  for (let name = key; name !== ''; name = await from.cli('CLUSTER', 'GETKEYSINSLOT', slot, '1')) {
    await from.cli('MIGRATE', '127.0.0.1', `${to.port}`, name, '0', '1000')
    if (name === key) await sleep(MOVING_MS)
  }
  await sleep(MOVING_MS)
  for (const node of [to, from, ...primaries]) await node.cli('CLUSTER', 'SETSLOT', slot, 'NODE', target)
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
