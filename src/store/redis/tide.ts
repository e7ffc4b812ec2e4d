import { randomBytes } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import { keys, TIDE, tideOf } from '../keys.ts'
import type { RedisClients } from './client.ts'

/** For how long the store keeps what it has counted of a process that is gone. */
export const KEPT_MS = 30 * 86_400_000
/** While a process is there, its count has longer than this to live. */
const RENEWED_MS = 29 * 86_400_000
/** A process that had not been heard for so long may be forgotten: that its count is not there shows no loss. */
const SILENT_MS = 28 * 86_400_000

/**
 * KEYS: the identity, the tide of this process, that of all. ARGV: when this process was heard last, in seconds by the
 * store's clock, then of each store that has answered it: the identity, and how many commits it had counted of this process
 * and of all. If this is one of them and has counted less, it has lost commits that were answered, revocations among them:
 * it loses its identity, so that every token and session of before is dead. A count that was forgotten is set anew.
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

/** What a store has counted, of this process and of all, its identity, and its time in seconds. */
export type Count = readonly [own: number, all: number, identity: string, now: string]

/** Whether the store still has all that it has answered for. */
export interface Tide {
  /** Where the store counts the commits of this process: nobody else's hide that one of its own is lost. */
  readonly own: string
  /** Takes note of what a commit was answered. */
  acknowledge(count: Count): void
  /** Throws while it is not known whether the store, met again over this connection, is as far as it was. */
  demand(over: Redis | Cluster): void
  stop(): void
}

/**
 * Looks at the tide four times a second, and whenever a connection is made again: until then nothing goes over it. What
 * others have committed counts where no replica could take over without it.
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

  const tryLook = (over: Redis | Cluster) => void look(over).catch(() => {}) // the next turn tries again
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
