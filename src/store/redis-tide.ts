import { randomBytes } from 'node:crypto'
import { keys, TIDE } from './keys.ts'
import type { RedisClients } from './redis-client.ts'

/**
 * ARGV: this process, the tide it was last answered, and the identity of the store that answered. If the store is still
 * that one and has counted less for this process, it has lost commits that were answered, revocations among them: it loses
 * its identity, so that every token and session of before is dead.
 */
const STRIKE = `
if redis.call('GET', KEYS[1]) ~= ARGV[3] then return 0 end
if tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0') >= tonumber(ARGV[2]) then return 0 end
return redis.call('DEL', KEYS[1])`

const RETRY_MS = 100

/** Whether the store still has all that it has answered for. */
export interface Tide {
  /** Under which name the store counts the commits of this process: nobody else's hide that one of its own is lost. */
  readonly process: string
  /** Takes note of what a commit was answered: the tide, and the identity of the store. */
  acknowledge(answer: readonly [tide: number, identity: string]): void
  /** Throws while it is not known whether the store, met again, is as far as it was. */
  demand(): void
}

/** Looks at the tide whenever the connection is made again: a store can go back only where it was lost from sight. */
export function watchTide({ kind, client }: RedisClients): Tide {
  const name = randomBytes(6).toString('base64url')
  let answered: readonly [tide: number, identity: string] | null = null
  let isCertain = true

  async function look(): Promise<void> {
    try {
      if (answered !== null) await client.eval(STRIKE, 2, keys.identity, TIDE, name, ...answered)
      isCertain = true
    } catch {
      if (client.status === 'ready') setTimeout(() => void look(), RETRY_MS).unref()
    }
  }

  if (kind !== 'cluster') {
    client.on('close', () => (isCertain = false))
    client.on('ready', () => void look())
  }
  return {
    process: name,
    acknowledge(answer) {
      if (answered === null || answer[1] !== answered[1] || answer[0] > answered[0]) answered = answer
    },
    demand() {
      if (!isCertain) throw new Error('the store has not been looked at since it was away')
    },
  }
}
