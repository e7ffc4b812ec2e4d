import { randomBytes } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import { keys, TIDE } from './keys.ts'
import type { RedisClients } from './redis-client.ts'

/**
 * ARGV: this process, then of each store that has answered it: the identity, and how many commits it had counted of this
 * process and of all. If this is one of them and has counted less, it has lost commits that were answered, revocations
 * among them: it loses its identity, so that every token and session of before is dead.
 */
const LOOK = `
local identity = redis.call('GET', KEYS[1]) or ''
local own = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
local all = tonumber(redis.call('HGET', KEYS[2], 'all') or '0')
for i = 2, #ARGV, 3 do
  local isLess = own < tonumber(ARGV[i + 1]) or all < tonumber(ARGV[i + 2])
  if ARGV[i] == identity and isLess then return redis.call('DEL', KEYS[1]) end
end
return { own, all, identity }`

const LOOK_MS = 250

/** What a store has counted, of this process and of all, and its identity. */
export type Count = readonly [own: number, all: number, identity: string]

/** Whether the store still has all that it has answered for. */
export interface Tide {
  /** Under which name the store counts the commits of this process: nobody else's hide that one of its own is lost. */
  readonly process: string
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
  const name = randomBytes(6).toString('base64url')
  const answered = new Map<string, readonly [own: number, all: number]>()
  const unseen = new Set<Redis | Cluster>()

  async function look(over: Redis | Cluster): Promise<void> {
    const known = [...answered].flat(2)
    const found = await over.eval(LOOK, 2, keys.identity, TIDE, name, ...known)
    if (Array.isArray(found) && !isReplicated()) note(found as unknown as Count)
    unseen.delete(over)
  }

  function note([own, all, identity]: Count): void {
    const [ownBefore, allBefore] = answered.get(identity) ?? [0, 0]
    answered.set(identity, [Math.max(own, ownBefore), Math.max(all, allBefore)])
  }

  const tryLook = (over: Redis | Cluster) => void look(over).catch(() => {}) // the next turn tries again
  const turn = () => new Set([client, ...unseen]).forEach(tryLook)
  const timer = kind === 'cluster' ? undefined : setInterval(turn, LOOK_MS).unref()
  for (const over of kind === 'cluster' ? [] : [client, durable]) {
    over.on('close', () => unseen.add(over))
    over.on('ready', () => tryLook(over))
  }
  return {
    process: name,
    acknowledge: note,
    demand(over) {
      if (unseen.has(over)) throw new Error('the store has not been looked at since it was away')
    },
    stop: () => clearInterval(timer),
  }
}
