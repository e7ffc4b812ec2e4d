import { randomBytes } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import { keys as storeKeys } from './keys.ts'
import { batchReads } from './read-batch.ts'
import type { Commit, Entry, Key, Store } from './store.ts'
import { StoreUnavailable } from './store.ts'

// A value is kept as `version JSON`. Expiry is Redis's own.

/**
 * ARGV: number of checks, number of deletes, then the expected version of each checked key ('' for absent), then text and
 * lifetime in ms ('' for ever) of each put. KEYS: checked, deleted, put. Deletes come first: Redis refuses a full store's
 * script only at its first write, and a DEL passes, so that sessions can be ended when the memory is full.
 */
const COMMIT = `
local checks, deletes = tonumber(ARGV[1]), tonumber(ARGV[2])
for i = 1, checks do
  local text = redis.call('GET', KEYS[i])
  local version = text and string.match(text, '^[^ ]*') or ''
  if version ~= ARGV[2 + i] then return 0 end
end
for i = checks + 1, checks + deletes do redis.call('DEL', KEYS[i]) end
local arg = 3 + checks
for i = checks + deletes + 1, #KEYS do
  if ARGV[arg + 1] == '' then redis.call('SET', KEYS[i], ARGV[arg])
  else redis.call('SET', KEYS[i], ARGV[arg], 'PX', ARGV[arg + 1]) end
  arg = arg + 2
end
return 1`

type Client = (Redis | Cluster) & {
  latchkeyCommit(keyCount: number, ...keysAndArgs: (string | number)[]): Promise<number>
}

/** The Redis store, over a connected or connecting client (see redis-client.ts). `clock` turns expiry times into lifetimes. */
export function openRedis(connection: Redis | Cluster, clock: () => number): Store {
  connection.defineCommand('latchkeyCommit', { lua: COMMIT })
  const client = connection as Client
  const prefix = randomBytes(6).toString('base64url')
  const readAll = connection.isCluster ? byTag(read) : read
  const batched = batchReads(readAll)
  let commits = 0

  // The first key is read by GETEX, to Redis a write: a replica, or a primary that has lost its replicas, refuses it,
  // so that no answer comes from a store that may not know of a revocation.
  async function read(names: readonly string[]): Promise<(string | null)[]> {
    const [first, ...rest] = names as [string, ...string[]]
    const [head, tail] = await Promise.all([client.getex(first), rest.length === 0 ? [] : client.mget(rest)])
    return [head, ...tail]
  }

  async function get<T>(key: Key<T>): Promise<Entry<T> | null> {
    return inDoubt(async () => decode(key, (await batched([key]))[0] ?? null))
  }

  async function commit({ checks, puts, deletes }: Commit): Promise<boolean> {
    const version = `${prefix}${(commits += 1)}`
    const now = clock()
    const names = [...checks.map(({ key }) => key), ...deletes, ...puts.map(({ key }) => key)]
    const writes = puts.flatMap(({ value, expiresAt }) => [
      `${version} ${JSON.stringify(value)}`,
      expiresAt === null ? '' : Math.max(1, Math.ceil(expiresAt - now)),
    ])
    const args = [checks.length, deletes.length, ...checks.map((check) => check.version ?? ''), ...writes]
    return inDoubt(async () => (await client.latchkeyCommit(names.length, ...names, ...args)) === 1)
  }

  return {
    get,
    commit,
    async getMany(names) {
      return inDoubt(async () => {
        const texts = await batched(names)
        return texts.map((text, place) => decode(names[place] as string, text)) as never
      })
    },
    async faults() {
      try {
        const written = await commit({
          checks: [],
          deletes: [storeKeys.probe],
          puts: [{ key: storeKeys.probe, value: 0, expiresAt: clock() + 1000 }],
        })
        await get(storeKeys.probe)
        const policies = await evictionPolicies(client)
        const wrong = policies.filter((policy) => policy !== 'noeviction')
        return written ? wrong.map((policy) => `maxmemory-policy is ${policy}: revocations could vanish, set noeviction`) : []
      } catch (error) {
        return [explain(error)]
      }
    },
    async close() {
      client.disconnect()
    },
  }
}

function decode<T>(key: Key<T>, text: string | null): Entry<T> | null {
  if (text === null) return null
  const space = text.indexOf(' ')
  return { key, version: text.slice(0, space), value: JSON.parse(text.slice(space + 1)) as T }
}

/** On a Cluster a command reaches one slot only: the keys are read tag by tag, at once. */
function byTag(read: (names: readonly string[]) => Promise<(string | null)[]>) {
  return async (names: readonly string[]): Promise<(string | null)[]> => {
    const groups = new Map<string, string[]>()
    for (const name of names) {
      const tag = name.slice(0, name.indexOf('}'))
      groups.set(tag, [...(groups.get(tag) ?? []), name])
    }
    const found = new Map<string, string | null>()
    await Promise.all(
      [...groups.values()].map(async (group) => {
        const texts = await read(group)
        group.forEach((name, place) => found.set(name, texts[place] ?? null))
      }),
    )
    return names.map((name) => found.get(name) ?? null)
  }
}

async function evictionPolicies(client: Client): Promise<string[]> {
  const nodes: Redis[] = client.isCluster ? (client as Cluster).nodes('master') : [client as unknown as Redis]
  const reports = await Promise.all(nodes.map((node) => node.info('memory')))
  return reports.map((report) => /^maxmemory_policy:(\S+)/m.exec(report)?.[1] ?? 'unknown')
}

/** What an operator needs to know of a failure: Redis's own word for it, never a key or a value. */
function explain(error: unknown): string {
  const cause = error instanceof StoreUnavailable ? error.cause : error
  const message = cause instanceof Error ? cause.message : ''
  const code = /\b(READONLY|NOREPLICAS|NOPERM|NOAUTH|WRONGPASS|LOADING|MISCONF|OOM|CLUSTERDOWN|MASTERDOWN)\b/.exec(message)?.[1]
  return code === undefined ? 'Redis cannot be reached' : `Redis answers ${code}`
}

async function inDoubt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new StoreUnavailable('Redis failed', { cause })
  }
}
