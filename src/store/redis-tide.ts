import { keys, TIDE } from './keys.ts'
import type { RedisClients } from './redis-client.ts'

/**
 * ARGV: the tide this process was last answered, and the identity it was answered by. If the store is still that one and
 * has counted less, it has lost commits that were answered, revocations among them: it loses its identity, so that every
 * token and session of before is dead, and its tide leaps past what anybody may have been answered.
 */
const STRIKE = `
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[2], ARGV[1] + 1000000)
return redis.call('DEL', KEYS[1])`

const RETRY_MS = 100

/** Whether the store still has all that it has answered for. */
export interface Tide {
  /** Takes note of what a commit was answered: the tide, and the identity of the store. */
  acknowledge(answer: readonly [tide: number, identity: string]): void
  /** Throws while it is not known whether the store, met again, is as far as it was. */
  demand(): void
}

/** Looks at the tide whenever the connection is made again: a store can go back only where it was lost from sight. */
export function watchTide({ kind, client }: RedisClients): Tide {
  let answered: readonly [tide: number, identity: string] | null = null
  let isCertain = true

  async function look(): Promise<void> {
    try {
      if (answered !== null) await client.eval(STRIKE, 2, keys.identity, TIDE, ...answered)
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
    acknowledge(answer) {
      if (answered === null || answer[1] !== answered[1] || answer[0] > answered[0]) answered = answer
    },
    demand() {
      if (!isCertain) throw new Error('the store has not been looked at since it was away')
    },
  }
}
