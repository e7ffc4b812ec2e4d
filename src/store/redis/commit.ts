import type { Cluster, Redis } from 'ioredis'
import { keys, lastOf, LOG_ROWS, TIDE } from '../keys.ts'
import { shorten } from '../shapes.ts'
import type { Commit } from '../store.ts'
import { type RedisClients, TIMED_OUT } from './client.ts'
import type { Replicas } from './replicas.ts'
import { type Count, KEPT_MS, type Tide } from './tide.ts'

// How a commit is one script of Redis. A value is stored as `version JSON`; Redis expires it.

/**
 * KEYS: those of the checks, the extensions, the deletes and the puts, and of the last place of the log, if there is one. ARGV: how
 * many there are of each, and of rows, then the version of each check ('' for absent), the lifetime in ms of each extension, and
 * the text and the lifetime ('' for ever) of each put; for the log its name, the lifetime, the version, and the text of each row.
 * Deletes come before puts: when its memory is full, Redis refuses a script at its first SET, but lets a DEL before it pass.
 * The last place is kept for as long as a row before it, if that is longer: else a row would be written over while others are left.
 * The keys of rows are made here, of the name of the log: they have its tag, and so its slot. They are read before anything is
 * written: while a slot moves, a Cluster refuses a script in the middle, at a key that it was not told of and that is not there.
 */
const COMMIT = `
local checks, extensions, deletes, puts = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local rows = tonumber(ARGV[5])
for i = 1, checks do
  local text = redis.call('GET', KEYS[i])
  local version = text and string.match(text, '^[^ ]*') or ''
  if version ~= ARGV[5 + i] then return 0 end
end
local last, tail = KEYS[checks + extensions + deletes + puts + 1], 6 + checks + extensions + 2 * puts
local log, lifetime, version, place = ARGV[tail], ARGV[tail + 1], ARGV[tail + 2], 0
if rows > 0 then place = tonumber(string.match(redis.call('GET', last) or '', '%d+$') or 0) end
for i = place + 1, place + rows do
  redis.call('GET', log .. i)
  if i > ${LOG_ROWS} then redis.call('GET', log .. (i - ${LOG_ROWS})) end
end
for i = checks + 1, checks + extensions do redis.call('PEXPIRE', KEYS[i], ARGV[5 + i]) end
local key, arg = checks + extensions, 6 + checks + extensions
for i = key + 1, key + deletes do redis.call('DEL', KEYS[i]) end
for i = key + deletes + 1, key + deletes + puts do
  if ARGV[arg + 1] == '' then redis.call('SET', KEYS[i], ARGV[arg])
  else redis.call('SET', KEYS[i], ARGV[arg], 'PX', ARGV[arg + 1]) end
  arg = arg + 2
end
for i = 1, rows do
  redis.call('SET', log .. (place + i), ARGV[tail + 2 + i], 'PX', lifetime)
  if place + i > ${LOG_ROWS} then redis.call('DEL', log .. (place + i - ${LOG_ROWS})) end
end
if rows > 0 then
  local kept = string.format('%.0f', math.max(lifetime, redis.call('PTTL', last)))
  redis.call('SET', last, version .. ' ' .. (place + rows), 'PX', kept)
end
`
const SCRIPTS = {
  latchkeyCommit: `${COMMIT} return 1`,
  /**
   * Counts the commit, too. Three more KEYS: the count of this process, the count of all, and the identity. One more ARGV: for
   * how many ms the count of this process is kept.
   */
  latchkeyCount: `${COMMIT}
local own = (redis.call('GET', KEYS[#KEYS - 2]) or 0) + 1
redis.call('SET', KEYS[#KEYS - 2], own, 'PX', ARGV[#ARGV])
return { own, redis.call('HINCRBY', KEYS[#KEYS - 1], 'all', 1), redis.call('GET', KEYS[#KEYS]) or '', redis.call('TIME')[1] }`,
}

/** For how many ms a commit waits for the replicas; whatever is sent on its connection meanwhile waits, too. */
const REPLICAS_MS = 200

type ScriptName = keyof typeof SCRIPTS
type ScriptInput = readonly [keyCount: number, ...keysAndArgs: (string | number)[]]
type Client = (Redis | Cluster) & Record<ScriptName, (...input: ScriptInput) => Promise<unknown>>

/** Runs a commit. True: all of it is written and, unless it may be lost, the replicas have it. False: a check lost. */
export type RunCommit = (commit: Commit, version: string, now: number) => Promise<boolean>

/** Makes the function that runs commits on Redis. */
export function makeCommit(clients: RedisClients, replicas: Replicas, tide: Tide): RunCommit {
  const [client, durable] = [withScripts(clients.client), withScripts(clients.durable)]

  async function runDurable(names: readonly string[], args: readonly (string | number)[]): Promise<boolean> {
    // On a Cluster commits are not counted: a script reaches one slot only, and the counts live in another.
    const isCounted = clients.kind !== 'cluster'
    const all = isCounted ? [...names, tide.own, TIDE, keys.identity, ...args, KEPT_MS] : [...names, ...args]
    const keyCount = names.length + (isCounted ? 3 : 0)
    tide.demand(clients.durable)
    const reply = await runAndWait(
      durable,
      isCounted ? 'latchkeyCount' : 'latchkeyCommit',
      [keyCount, ...all],
      replicas,
    )
    if (Array.isArray(reply)) tide.acknowledge(reply as unknown as Count)
    return reply !== 0
  }

  return async (commit, version, now) => {
    const { names, args } = scriptInput(commit, version, now)
    if (commit.mayBeLost !== true) return runDurable(names, args)
    return (await client.latchkeyCommit(names.length, ...names, ...args)) === 1
  }
}

function withScripts(client: Redis | Cluster): Client {
  for (const [name, lua] of Object.entries(SCRIPTS)) client.defineCommand(name, { lua })
  return client as Client
}

/**
 * Runs a script, then WAIT on the same connection, because WAIT counts the writes of its own connection only. WAIT does not say
 * which replicas have acknowledged; the INFO behind it shows whether there was a replica that nobody knew of.
 */
async function runAndWait(client: Client, name: ScriptName, input: ScriptInput, replicas: Replicas): Promise<unknown> {
  const needed = replicas.needed()
  if (needed === 0) return client[name](...input)
  // By EVAL, not EVALSHA: after NOSCRIPT ioredis would send the script again, behind the WAIT.
  const sent = client
    .pipeline()
    .eval(SCRIPTS[name], ...input)
    .wait(needed, REPLICAS_MS)
  const results = (await (client.isCluster ? sent : sent.info('replication')).exec()) ?? []
  const cause = results.find(([failure]) => failure !== null)?.[0]
  if (cause) {
    dropBacklog(client, cause)
    throw cause
  }
  const [reply, acknowledged, report] = results.map(([, result]) => result)
  if (report !== undefined) replicas.see(report as string)
  if (reply !== 0 && (acknowledged as number) < Math.max(needed, replicas.needed()))
    throw new Error('NOREPLICAS too few replicas have acknowledged')
  return reply
}

/** Drops what waits behind a commit that was given up: it would be written long after its client was answered 503. */
function dropBacklog(client: Client, { message }: Error): void {
  if (client.isCluster) (client as Cluster).refreshSlotsCache() // a pipeline does not follow a slot that has moved
  else if (message === TIMED_OUT) client.disconnect(true)
}

function scriptInput({ checks, puts, deletes, extensions = [], append }: Commit, version: string, now: number) {
  const lifetime = (expiresAt: number) => Math.max(1, Math.ceil(expiresAt - now))
  const written = [...checks, ...extensions, ...deletes.map((key) => ({ key })), ...puts].map(({ key }) => key)
  const names = append ? [...written, lastOf(append.log)] : written
  const counts = [checks.length, extensions.length, deletes.length, puts.length, append?.rows.length ?? 0]
  const versions = checks.map((check) => check.version ?? '')
  const lifetimes = extensions.map(({ expiresAt }) => lifetime(expiresAt))
  const textOf = (key: string, value: unknown) => `${version} ${JSON.stringify(shorten(key, value))}`
  const writes = puts.flatMap(({ key, value, expiresAt }) => [
    textOf(key, value),
    expiresAt === null ? '' : lifetime(expiresAt),
  ])
  const rows = append
    ? [append.log, lifetime(append.expiresAt), version, ...append.rows.map((row) => textOf(append.log, row))]
    : []
  return { names, args: [...counts, ...versions, ...lifetimes, ...writes, ...rows] }
}
