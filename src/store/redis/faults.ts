import type { StoreFailure } from '../in-doubt.ts'
import { counters, keys, TIDE } from '../keys.ts'
import { put, type Store, StoreUnavailable, unchanged } from '../store.ts'
import { type RedisClients, TIMED_OUT } from './client.ts'
import { askTime } from './clock.ts'
import { HandshakeRefused } from './handshake.ts'
import { fencesScripts, type Replicas, reportsOf } from './replicas.ts'

const TIDE_PROBE = `${TIDE}:probe`

/**
 * Finds what keeps Redis from being relied on, in words for an operator: tries every command on keys of its own, and looks for
 * an eviction policy that could drop revocations. Rejects if a command fails.
 */
export async function findFaults(
  { client, durable }: RedisClients,
  store: Store,
  clock: () => number,
): Promise<string[]> {
  const [, entry] = await store.getMany([keys.identity, keys.probe])
  const [expiresAt, checks] = [clock() + 1000, [unchanged(keys.probe, entry)]]
  const extensions = [{ key: keys.probe, expiresAt }]
  await store.commit({ checks, puts: [put(keys.probe, 0, expiresAt)], deletes: [], extensions, mayBeLost: true })
  await store.commit({ checks: [], puts: [], deletes: [keys.probe], mayBeLost: true })
  await store.count({ counters: [{ key: counters.probe, count: 1e9, windowMs: 1000 }], adds: true })
  await Promise.all([client.hincrby(TIDE_PROBE, 'a', 1), client.hget(TIDE_PROBE, 'a'), client.del(TIDE_PROBE)])
  await Promise.all([askTime(client), client.wait(0, 1)])
  if (durable.status !== 'ready') throw new Error('one connection of two')
  const reports = await reportsOf(client, 'memory')
  return reports
    .map((report) => /^maxmemory_policy:(\S+)/m.exec(report)?.[1] ?? 'unknown')
    .filter((policy) => policy !== 'noeviction')
    .map((policy) => `maxmemory-policy is ${policy}: revocations could vanish, set noeviction`)
}

/**
 * Finds what weakens the promises, in words for an operator: primaries that a crash would take back to an old snapshot, or to
 * nothing; what is amiss with the replicas; a version that does not fence scripts.
 */
export async function findWeaknesses({ client }: RedisClients, replicas: Replicas): Promise<string[]> {
  const [memories, servers] = await Promise.all([reportsOf(client, 'persistence'), reportsOf(client, 'server')])
  return [
    ...(memories.every((report) => /^aof_enabled:1/m.test(report)) ? [] : [FORGETFUL]),
    ...replicas.weaknesses(),
    ...(!replicas.areThere() || servers.every(fencesScripts) ? [] : [UNFENCED_SCRIPTS]),
  ]
}

const FORGETFUL =
  'Redis keeps no append-only file: if it crashes, all it has written since its last snapshot is lost and everybody logs in again; set appendonly yes'
const UNFENCED_SCRIPTS =
  'Redis is older than 7.0, which does not judge min-replicas-to-write inside scripts: an old primary could answer after a failover'

const REFUSAL = /\b(?:READONLY|NOREPLICAS|NOPERM|NOAUTH|WRONGPASS|LOADING|MISCONF|OOM|CLUSTERDOWN|MASTERDOWN)\b/
/** How Redis 7.0 and later refuse a command inside a script, instead of NOPERM. */
const REFUSAL_IN_SCRIPT = /can't run this command|ACL failure/

/** The error behind the failure; of a Cluster without a node that answers, what the last node said. */
function causeOf(error: unknown): unknown {
  const cause = error instanceof StoreUnavailable ? error.cause : error
  return (cause as { readonly lastNodeError?: unknown } | undefined)?.lastNodeError ?? cause
}

/** Says in words for an operator why Redis failed: the error code of Redis, never a key or a value. */
export function explain(error: unknown): string {
  const cause = causeOf(error)
  if (cause instanceof HandshakeRefused) return cause.message
  const message = cause instanceof Error ? cause.message : ''
  const code = REFUSAL_IN_SCRIPT.test(message) ? 'NOPERM' : REFUSAL.exec(message)?.[0]
  return code === undefined ? 'Redis cannot be reached' : `Redis answers ${code}`
}

const FAILURES: readonly [said: RegExp, failure: StoreFailure][] = [
  [/too few replicas/, 'replicas_missed'],
  [/\bNOREPLICAS\b/, 'no_replicas'],
  [/\b(?:READONLY|MASTERDOWN)\b/, 'read_only'],
  [/\bLOADING\b/, 'loading'],
  [/\b(?:OOM|MISCONF)\b/, 'full'],
  [/\b(?:NOPERM|NOAUTH|WRONGPASS)\b/, 'refused'],
  [REFUSAL_IN_SCRIPT, 'refused'],
  [new RegExp(TIMED_OUT), 'silent'],
]

/** Why Redis failed, in a word for those who count. What has no word of its own is a connection that is not there. */
export function failureOf(error: unknown): StoreFailure {
  const cause = causeOf(error)
  if (cause instanceof HandshakeRefused) return 'refused'
  const message = cause instanceof Error ? cause.message : ''
  return FAILURES.find(([said]) => said.test(message))?.[1] ?? 'away'
}
