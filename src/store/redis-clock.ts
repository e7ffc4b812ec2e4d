import type { Cluster, Redis } from 'ioredis'
import { keys } from './keys.ts'
import type { RedisClients } from './redis-client.ts'

const LOOK_MS = 1000
/** More than a clock is ever slewed while an answer is awaited. */
const SET_MS = 100

/**
 * A clock that all instances share, however wrong their own: that of Redis, in ms since the epoch, asked every second. By
 * the same clock Redis forgets what has expired. Our own until it has first been asked.
 */
export function watchClock({ client }: RedisClients): () => number {
  let offset: number | null = null

  async function look(): Promise<void> {
    const [sentAt, sentAtSteady] = [Date.now(), performance.now()]
    const theirs = await askTime(client)
    const [now, passed] = [Date.now(), performance.now() - sentAtSteady]
    if (Math.abs(now - sentAt - passed) > SET_MS) return // our own clock was set meanwhile: this tells nothing
    // It was that time there at some moment between question and answer: no other offset can be right.
    const [least, most] = [theirs - now, theirs - sentAt]
    offset = Math.min(Math.max(offset ?? (least + most) / 2, least), most)
  }

  const tryLook = () => void look().catch(() => {}) // it goes on as before
  setInterval(tryLook, LOOK_MS).unref()
  client.on('ready', tryLook)
  return () => Date.now() + (offset ?? 0)
}

/** The time of Redis, in ms since the epoch; on a Cluster always that of the same shard. */
export async function askTime(client: Redis | Cluster): Promise<number> {
  const [seconds, micros] = (await client.eval("return redis.call('TIME')", 1, keys.identity)) as [string, string]
  return Number(seconds) * 1000 + Number(micros) / 1000
}
