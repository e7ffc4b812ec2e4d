import type { Cluster, Redis } from 'ioredis'
import type { RedisClients } from './client.ts'
import { watchSentinels } from './sentinels.ts'

// How many replicas must have a commit before it is answered, so that any of them that takes over has it.

/** What is known of the replicas. */
export interface Replicas {
  /** How many must acknowledge a commit that must not be lost; 0: there are none. Throws until it is known. */
  needed(): number
  /** Whether there are replicas that could be promoted. */
  readonly areThere: () => boolean
  /** Takes note of the replicas in an INFO that the primary has just sent. */
  see(report: string): void
  /** What is amiss with them, in words for an operator. */
  weaknesses(): readonly string[]
  stop(): void
}

/** What the INFO of one primary says. */
interface Sight {
  /** The id of the history that the primary writes: another one after each failover. */
  readonly history: string
  /** The addresses of the replicas that are in step with the primary. */
  readonly inStep: readonly string[]
  /** Whether the primary is set to refuse writes when it has lost its replicas. */
  readonly isFenced: boolean
}

const LOOK_MS = 1000
/**
 * For how many ms a replica that has left is still needed for commits. It may have been promoted, while the others still
 * acknowledge what the old primary writes, until they hear of the new one. While most of the Sentinels cannot be asked it stays
 * needed: they may be with it, on the other side of a partition.
 */
const MISSED_MS = 5000
/**
 * A replica is in step if it reported this many seconds ago or less; it reports each second. Redis says -1 when its clocks
 * differ a little.
 */
const IN_STEP_SECONDS = 3

/** Follows the replicas of the primaries: asks for them now, every second, and at each new connection. */
export function watchReplicas(clients: RedisClients): Replicas {
  const { kind, durable } = clients
  const sentinels = watchSentinels(clients)
  let sights: readonly Sight[] = []
  const seen = makeSightings()
  let wasReplicated = kind === 'sentinel'
  // A standalone Redis that had a replica for a while, to be copied, is on its own again when that is forgotten.
  const areThere = () => wasReplicated || !seen.isEmpty()

  function note(reports: readonly string[]): void {
    const now = performance.now()
    sights = reports.map(readSight)
    for (const { history, inStep } of sights) seen.add(history, inStep, now)
    if (sentinels.agree()) seen.forgetBefore(now - MISSED_MS)
    wasReplicated ||= sights.some(({ inStep, isFenced }) => isFenced || (kind === 'cluster' && inStep.length > 0))
  }

  const tryLook = () => void reportsOf(durable, 'replication').then(note, () => {}) // a failure shows at the next commit
  const timer = setInterval(tryLook, LOOK_MS).unref()
  durable.on('ready', tryLook)

  return {
    needed() {
      const [sight] = sights
      if (sight === undefined) throw new Error('the replicas are not known yet')
      if (!areThere()) return 0
      if (sights.every(({ inStep }) => inStep.length === 0)) throw new Error('NOREPLICAS no replica is in step')
      const fault = sentinels.fault()
      if (fault !== null) throw new Error(`NOREPLICAS ${fault}`)
      // On a Cluster one is enough: a failover promotes the replica that has most, and a manual one stops the old primary first.
      return kind === 'cluster' ? 1 : seen.count(sight.history)
    },
    areThere,
    see: (report) => note([report]),
    weaknesses: () => (areThere() ? weaknessesOf(sights, sentinels.fault()) : []),
    stop() {
      clearInterval(timer)
      sentinels.stop()
    },
  }
}

/** Remembers when each replica was last seen in step, by the history that it follows and its address. */
function makeSightings() {
  const seen = new Map<string, Map<string, number>>()
  return {
    isEmpty: () => seen.size === 0,
    /** How many replicas of that history are remembered. */
    count: (history: string) => seen.get(history)?.size ?? 0,
    add(history: string, addresses: readonly string[], now: number) {
      if (addresses.length === 0) return
      const times = seen.get(history) ?? new Map<string, number>()
      for (const address of addresses) times.set(address, now)
      seen.set(history, times)
    },
    forgetBefore(time: number) {
      for (const [history, times] of seen) {
        for (const [address, at] of times) if (at < time) times.delete(address)
        if (times.size === 0) seen.delete(history)
      }
    },
  }
}

const UNFENCED =
  'min-replicas-to-write is 0: an old primary could answer after a failover, set it to half the number of replicas'
const REFUSED = 'logins, revocations and other changes are refused'
const ALONE = `a primary has no replica in step: ${REFUSED}`

function weaknessesOf(sights: readonly Sight[], fault: string | null): string[] {
  return [
    ...(fault === null ? [] : [`${fault}: ${REFUSED}`]),
    ...(sights.every(({ isFenced }) => isFenced) ? [] : [UNFENCED]),
    ...(sights.every(({ inStep }) => inStep.length > 0) ? [] : [ALONE]),
  ]
}

/** Asks each primary for a section of its INFO. */
export async function reportsOf(client: Redis | Cluster, section: string): Promise<string[]> {
  const primaries = client.isCluster ? (client as Cluster).nodes('master') : [client as Redis]
  return Promise.all(primaries.map((primary) => primary.info(section)))
}

/** Whether the server of this INFO judges `min-replicas-to-write` inside scripts, as Redis does since 7.0. */
export function fencesScripts(report: string): boolean {
  return Number(/^redis_version:(\d+)\./m.exec(report)?.[1]) >= 7
}

function readSight(report: string): Sight {
  const replicas = [...report.matchAll(/^slave\d+:(ip=\S+?,port=\d+),state=online\S*?lag=(-?\d+)/gm)]
  return {
    history: /^master_replid:(\w+)/m.exec(report)?.[1] ?? '',
    inStep: replicas.filter(([, , lag]) => Number(lag) <= IN_STEP_SECONDS).map(([, address = '']) => address),
    isFenced: report.includes('min_slaves_good_slaves:'),
  }
}
