import { randomBytes } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import { keys, TIDE, tideOf } from '../keys.ts'
import type { RedisClients } from './client.ts'

/** For how many ms the store keeps the count of a process that is gone: 30 days. */
export const KEPT_MS = 30 * 86_400_000
/** The count of a running process is renewed when it has less than this many ms to live. */
const RENEWED_MS = 29 * 86_400_000
/** After this many ms of silence the count of a process may have expired: its absence is no sign of a loss. */
const SILENT_MS = 28 * 86_400_000

/**
 * KEYS: the identity, the count of this process, the count of all. ARGV: when the store last heard of this process, in seconds by
 * its clock; then, for each store that has answered this process, its identity and its two counts. If this store is one of them
 * and has counted less, it has lost commits that were answered, perhaps revocations. Its identity is then deleted, so that every
 * token and session of before is dead. A count of this process that has expired is set anew.
 */
const LOOK = `
local identity, now = redis.call('GET', KEYS[1]) or '', redis.call('TIME')[1]
local own, all = redis.call('GET', KEYS[2]), redis.call('HGET', KEYS[3], 'all') or 0
local isForgotten = not own and (now - ARGV[1]) * 1000 > ${SILENT_MS}
for i = 2, #ARGV, 3 do
  if ARGV[i] == identity then
    if isForgotten then own = ARGV[i + 1] end
    local isLess = tonumber(own or 0) < tonumber(ARGV[i + 1]) or tonumber(all) < tonumber(ARGV[i + 2])
    if isLess then return redis.call('DEL', KEYS[1]) end
  end
end
if own and isForgotten then redis.call('SET', KEYS[2], own, 'PX', ${KEPT_MS})
elseif own and redis.call('PTTL', KEYS[2]) < ${RENEWED_MS} then redis.pcall('GETEX', KEYS[2], 'PX', ${KEPT_MS}) end
return { tonumber(own or 0), tonumber(all), identity, now }`

const LOOK_MS = 250

/** The counts of a store, of this process and of all, its identity, and its time in seconds. */
export type Count = readonly [own: number, all: number, identity: string, now: string]

/** Whether the store still has every commit that it has answered. */
export interface Tide {
  /** The key of the count of this process. In a common count the commits of others would hide the loss of one of its own. */
  readonly own: string
  /** Takes note of the counts that a commit was answered with. */
  acknowledge(count: Count): void
  /** Throws if this connection was lost, until the store behind the new one has been checked for lost commits. */
  demand(over: Redis | Cluster): void
  stop(): void
}

/**
 * Follows the counts: reads them four times a second, and after each new connection before anything else goes over it. The commits
 * of other processes count only if there is no replica that could take over without them.
 */
export function watchTide({ kind, client, durable }: RedisClients, isReplicated: () => boolean): Tide {
  const own = tideOf(randomBytes(6).toString('base64url'))
  const answered = new Map<string, readonly [own: number, all: number]>()
  const unseen = new Set<Redis | Cluster>()
  let heardAt = '0'

  async function look(over: Redis | Cluster): Promise<void> {
    const known = [...answered].flat(2)
    const found = (await over.eval(LOOK, 3, keys.identity, own, TIDE, heardAt, ...known)) as Count | number
    if (typeof found !== 'number') hear(found, !isReplicated())
    unseen.delete(over)
  }

  function hear([ownNow, all, identity, now]: Count, isPromised = true): void {
    heardAt = now
    if (!isPromised) return
    const [ownBefore, allBefore] = answered.get(identity) ?? [0, 0]
    answered.set(identity, [Math.max(ownNow, ownBefore), Math.max(all, allBefore)])
  }

  const tryLook = (over: Redis | Cluster) => void look(over).catch(() => {}) // tried again at the next turn
  const turn = () => new Set([client, ...unseen]).forEach(tryLook)
  const timer = kind === 'cluster' ? undefined : setInterval(turn, LOOK_MS).unref()
  for (const over of kind === 'cluster' ? [] : [client, durable]) {
    over.on('close', () => unseen.add(over))
    over.on('ready', () => tryLook(over))
  }
  return {
    own,
    acknowledge: (count) => hear(count),
    demand(over) {
      if (unseen.has(over)) throw new Error('the store has not been looked at since it was away')
    },
    stop: () => clearInterval(timer),
  }
}
