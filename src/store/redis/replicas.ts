import type { Cluster, Redis } from 'ioredis'
import type { RedisClients } from './client.ts'
import { watchSentinels } from './sentinels.ts'

// How many replicas must have a commit before it is answered, so that whichever of them takes over has it.

/** What is known of the replicas. */
export interface Replicas {
  /** How many must acknowledge a commit that must not be lost; 0: there are none. Throws until it is known. */
  needed(): number
  /** Whether one could be promoted. */
  readonly areThere: () => boolean
  /** Takes note of who is there, from the primary's INFO of now. */
  see(report: string): void
  /** What is amiss with them, in words for an operator. */
  weaknesses(): readonly string[]
  stop(): void
}

interface Sight {
  /** Names the primary's history: another one after each failover. */
  readonly history: string
  /** Addresses of the replicas in step with it. */
  readonly inStep: readonly string[]
  /** Whether it is set to refuse writes when it has lost its replicas. */
  readonly isFenced: boolean
}

const LOOK_MS = 1000
/**
 * A replica that has left may have been promoted, while the others, and one that has come in its place, still acknowledge
 * what their old primary is told. For this long, until they have been told of the new one, it is missed; and where most
 * of the Sentinels cannot be asked, until they can: they may be with it, on the other side of a partition.
 */
const MISSED_MS = 5000
/** A replica reports each second; Redis says -1 where one clock of its own is a little ahead of another. */
const IN_STEP_SECONDS = 3

/** Looks at the primaries' replicas now, every second, and at each new connection. */
export function watchReplicas(clients: RedisClients): Replicas {
  const { kind, durable } = clients
  const sentinels = watchSentinels(clients)
  let sights: readonly Sight[] = []
  /** When each replica was last seen in step, by the history it follows and its address. */
  const seenAt = new Map<string, number>()
  let wasReplicated = kind === 'sentinel'
  // One Redis that has had a replica for a while, to be copied, is one Redis again.
  const areThere = () => wasReplicated || seenAt.size > 0

  function note(reports: readonly string[]): void {
    const now = performance.now()
    sights = reports.map(readSight)
    for (const { history, inStep } of sights) for (const address of inStep) seenAt.set(`${history} ${address}`, now)
    if (sentinels.agree()) for (const [replica, at] of seenAt) if (now - at > MISSED_MS) seenAt.delete(replica)
    wasReplicated ||= sights.some(({ inStep, isFenced }) => isFenced || (kind === 'cluster' && inStep.length > 0))
  }

  const tryLook = () => void reportsOf(durable, 'replication').then(note, () => {}) // whoever commits learns what is wrong
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
      // A Cluster's own failover picks the replica that is furthest on, and a manual one stops the old primary first.
      return kind === 'cluster' ? 1 : [...seenAt.keys()].filter((replica) => replica.startsWith(sight.history)).length
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

/** A section of INFO from each primary. */
export async function reportsOf(client: Redis | Cluster, section: string): Promise<string[]> {
  const primaries = client.isCluster ? (client as Cluster).nodes('master') : [client as Redis]
  return Promise.all(primaries.map((primary) => primary.info(section)))
}

function readSight(report: string): Sight {
  const replicas = [...report.matchAll(/^slave\d+:(ip=\S+?,port=\d+),state=online\S*?lag=(-?\d+)/gm)]
  return {
    history: /^master_replid:(\w+)/m.exec(report)?.[1] ?? '',
    inStep: replicas.filter(([, , lag]) => Number(lag) <= IN_STEP_SECONDS).map(([, address = '']) => address),
    isFenced: report.includes('min_slaves_good_slaves:'),
  }
}
