import { randomBytes } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import { type InDoubt, makeInDoubt, type OnCommand } from '../in-doubt.ts'
import { batchReads, type ReadKeys } from '../read-batch.ts'
import { complete } from '../shapes.ts'
import { type Entry, type Key, type Store } from '../store.ts'
import type { RedisClients } from './client.ts'
import { makeCommit } from './commit.ts'
import { makeCount } from './count.ts'
import { explain, failureOf, findFaults, findWeaknesses } from './faults.ts'
import { watchReplicas } from './replicas.ts'
import { makeScan } from './scan.ts'
import { type Tide, watchTide } from './tide.ts'

/** Opens the Redis store, over connected or connecting clients (see client.ts). `clock` turns expiry times into lifetimes. */
export function openRedis(clients: RedisClients, clock: () => number, onCommand?: OnCommand): Store {
  const { client, durable } = clients
  const inDoubt = makeInDoubt('Redis failed', failureOf, onCommand)
  const replicas = watchReplicas(clients)
  const tide = watchTide(clients, replicas.areThere)
  const [read, runCommit] = [makeRead(clients, tide, inDoubt), makeCommit(clients, replicas, tide)]
  const [runCount, runScan] = [makeCount(clients), makeScan(clients)]
  const prefix = randomBytes(6).toString('base64url')
  let commits = 0
  const refusals = watchRefusals(clients)

  const store: Store = {
    async get(key) {
      const [entry] = await read([key])
      return (entry ?? null) as never
    },
    getMany: (names) => read(names) as never,
    async commit(commit) {
      const version = `${prefix}${(commits += 1)}`
      return inDoubt('commit', () => runCommit(commit, version, clock()))
    },
    count: (count) => inDoubt('count', () => runCount(count)),
    scan: (walk) => inDoubt('scan', () => runScan(walk)),
    faults: () => findFaults(clients, store, clock).catch((error: unknown) => [explain(refusals() ?? error)]),
    weaknesses: () => findWeaknesses(clients, replicas).catch(() => []),
    async close() {
      replicas.stop()
      tide.stop()
      client.disconnect()
      durable.disconnect()
    },
  }
  return store
}

/** Makes a function that tells the latest error of a connection that is not ready; undefined: there is none. */
function watchRefusals({ client, durable }: RedisClients): () => Error | undefined {
  const refusals = new Map<Redis | Cluster, Error>()
  for (const each of [client, durable]) {
    each.on('error', (error: Error) => refusals.set(each, error))
    each.on('ready', () => refusals.delete(each))
  }
  return () => [...refusals.values()].at(-1)
}

/**
 * Makes the function that reads: one read for a turn of the event loop. It rejects while the store may have lost commits (see
 * tide.ts).
 */
function makeRead({ kind, client }: RedisClients, tide: Tide, inDoubt: InDoubt): ReadKeys<Entry<unknown>> {
  const readEntries = entriesOf((names) => readKeys(client, names))
  if (kind === 'cluster') return unlessFailed(batchReads(byTag(readEntries)), inDoubt)
  return batchReads((names) =>
    inDoubt('read', () => {
      tide.demand(client)
      return readEntries(names)
    }),
  )
}

/**
 * Reads keys of one slot in one round trip, the first by GETEX, which Redis takes for a write. A replica, or a primary that has
 * lost its replicas, refuses a write, so that no answer comes from a server that may not know of a revocation. All values are
 * those of the MGET: between two commands somebody may commit.
 */
async function readKeys(client: Redis | Cluster, names: readonly string[]): Promise<(string | null)[]> {
  const [first] = names
  if (first === undefined) return []
  const [, values] = await Promise.all([client.getex(first), client.mget([...names])])
  return values
}

function entriesOf(readTexts: ReadKeys<string>): ReadKeys<Entry<unknown>> {
  return async (names) => {
    const texts = await readTexts(names)
    return names.map((name, place) => decode(name, texts[place] ?? null))
  }
}

function decode<T>(key: Key<T>, text: string | null): Entry<T> | null {
  if (text === null) return null
  const space = text.indexOf(' ')
  return { key, version: text.slice(0, space), value: complete(key, JSON.parse(text.slice(space + 1))) as T }
}

/**
 * Reads keys tag by tag, all at once: on a Cluster a command reaches one slot only. A tag that cannot be read gives its error
 * for its own keys only: the others may live on other servers.
 */
function byTag(read: ReadKeys<Entry<unknown>>): ReadKeys<Entry<unknown> | Error> {
  return async (names) => {
    const groups = new Map<string, string[]>()
    for (const name of names) {
      const tag = name.slice(0, name.indexOf('}'))
      groups.set(tag, [...(groups.get(tag) ?? []), name])
    }
    const found = new Map<string, Entry<unknown> | Error | null>()
    await Promise.all(
      [...groups.values()].map(async (group) => {
        const entries = await read(group).catch((error: Error) => group.map(() => error))
        group.forEach((name, place) => found.set(name, entries[place] ?? null))
      }),
    )
    return names.map((name) => found.get(name) ?? null)
  }
}

/** Rejects if one of the keys that a caller asked for could not be read; other callers of the same turn get their values. */
function unlessFailed(read: ReadKeys<Entry<unknown> | Error>, inDoubt: InDoubt): ReadKeys<Entry<unknown>> {
  return (names) =>
    inDoubt('read', async () => {
      const found = await read(names)
      const failure = found.find((each) => each instanceof Error)
      if (failure !== undefined) throw failure
      return found as readonly (Entry<unknown> | null)[]
    })
}
