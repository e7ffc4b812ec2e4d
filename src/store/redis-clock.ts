import type { Cluster, Redis } from 'ioredis'
import { keys } from './keys.ts'
import type { RedisClients } from './redis-client.ts'

const LOOK_MS = 1000

/**
 * A clock that all instances share, however wrong their own, and whenever that is set: that of Redis, in ms since the epoch,
 * asked every second. By the same clock Redis forgets what has expired. Our own of the start until it has first been asked.
 */
export function watchClock({ client }: RedisClients): () => number {
  let offset: number | null = null

  async function look(): Promise<void> {
    const sentAt = steadyTime()
    const theirs = await askTime(client)
    // It was that time there at some moment between question and answer: no other offset can be right.
    const [least, most] = [theirs - steadyTime(), theirs - sentAt]
    offset = Math.min(Math.max(offset ?? (least + most) / 2, least), most)
  }

  const tryLook = () => void look().catch(() => {}) // it goes on as before
  setInterval(tryLook, LOOK_MS).unref()
  client.on('ready', tryLook)
  return () => steadyTime() + (offset ?? 0)
}

/** What our clock would say if nobody set it after the start. */
function steadyTime(): number {
  return performance.timeOrigin + performance.now()
}

/** The time of Redis, in ms since the epoch; on a Cluster always that of the same shard. */
export async function askTime(client: Redis | Cluster): Promise<number> {
  const [seconds, micros] = (await client.eval("return redis.call('TIME')", 1, keys.identity)) as [string, string]
  return Number(seconds) * 1000 + Number(micros) / 1000
}
