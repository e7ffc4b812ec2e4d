import { randomBytes } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import { keys, LIMITS } from './keys.ts'
import { batchReads, type ReadKeys } from './read-batch.ts'
import { type Commit, type Entry, type Key, put, unchanged, type Store, StoreUnavailable } from './store.ts'

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
  const readTexts = (names: readonly string[]) => readKeys(client, names)
  const readEntries = entriesOf(client.isCluster ? byTag(readTexts) : readTexts)
  const read = batchReads((names) => inDoubt(() => readEntries(names)))
  const prefix = randomBytes(6).toString('base64url')
  let commits = 0
  let refusal: Error | undefined
  client.on('error', (error: Error) => (refusal = error))
  client.on('ready', () => (refusal = undefined))

  const store: Store = {
    async get(key) {
      const [entry] = await read([key])
      return (entry ?? null) as never
    },
    getMany: (names) => read(names) as never,
    async commit(commit) {
      const version = `${prefix}${(commits += 1)}`
      const { names, args } = scriptInput(commit, version, clock())
      return inDoubt(async () => (await client.latchkeyCommit(names.length, ...names, ...args)) === 1)
    },
    faults: () => findFaults(client, store, clock).catch((error: unknown) => [explain(refusal ?? error)]),
    async close() {
      client.disconnect()
    },
  }
  return store
}

/**
 * Reads keys of one slot in one round trip. The first is read by GETEX, to Redis a write: a replica, or a primary that has
 * lost its replicas, refuses it, so that no answer comes from a server that may not know of a revocation.
 */
async function readKeys(client: Client, names: readonly string[]): Promise<(string | null)[]> {
  const [first, ...rest] = names
  if (first === undefined) return []
  const [head, tail] = await Promise.all([client.getex(first), rest.length === 0 ? [] : client.mget(rest)])
  return [head, ...tail]
}

function scriptInput({ checks, puts, deletes }: Commit, version: string, now: number) {
  const names = [...checks.map(({ key }) => key), ...deletes, ...puts.map(({ key }) => key)]
  const writes = puts.flatMap(({ value, expiresAt }) => [
    `${version} ${JSON.stringify(value)}`,
    expiresAt === null ? '' : Math.max(1, Math.ceil(expiresAt - now)),
  ])
  return { names, args: [checks.length, deletes.length, ...checks.map((check) => check.version ?? ''), ...writes] }
}

/** Limits are counted under names of their own, by other commands. */
const LIMIT_PROBE = `${LIMITS}probe`

/** Tries every command there is on keys of its own, and looks for settings under which revocations could vanish. */
async function findFaults(client: Client, store: Store, clock: () => number): Promise<string[]> {
  const [, entry] = await store.getMany([keys.identity, keys.probe])
  const probe = put(keys.probe, 0, clock() + 1000)
  await store.commit({ checks: [unchanged(keys.probe, entry)], puts: [probe], deletes: [] })
  await store.commit({ checks: [], puts: [], deletes: [keys.probe] })
  await Promise.all([client.incr(LIMIT_PROBE), client.pexpire(LIMIT_PROBE, 1000), client.pttl(LIMIT_PROBE)])
  const policies = await evictionPolicies(client)
  return policies
    .filter((policy) => policy !== 'noeviction')
    .map((policy) => `maxmemory-policy is ${policy}: revocations could vanish, set noeviction`)
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
  return { key, version: text.slice(0, space), value: JSON.parse(text.slice(space + 1)) as T }
}

/** On a Cluster a command reaches one slot only: the keys are read tag by tag, at once. */
function byTag(read: ReadKeys<string>): ReadKeys<string> {
  return async (names) => {
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

const REFUSAL = /\b(?:READONLY|NOREPLICAS|NOPERM|NOAUTH|WRONGPASS|LOADING|MISCONF|OOM|CLUSTERDOWN|MASTERDOWN)\b/
/** How Redis 7.0 and later say NOPERM of a command inside a script. */
const REFUSAL_IN_SCRIPT = /can't run this command|ACL failure/

/** What an operator needs to know of a failure: Redis's own word for it, never a key or a value. */
function explain(error: unknown): string {
  const cause = error instanceof StoreUnavailable ? error.cause : error
  const message = cause instanceof Error ? cause.message : ''
  const code = REFUSAL_IN_SCRIPT.test(message) ? 'NOPERM' : REFUSAL.exec(message)?.[0]
  return code === undefined ? 'Redis cannot be reached' : `Redis answers ${code}`
}

async function inDoubt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new StoreUnavailable('Redis failed', { cause })
  }
}
