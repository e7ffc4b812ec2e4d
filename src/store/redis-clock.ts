import { keys } from './keys.ts'
import type { RedisClients } from './redis-client.ts'

/** On a Cluster, too, always the clock of the same shard. */
const TIME = "return redis.call('TIME')"
const LOOK_MS = 1000
/** Further than this no clock is put right while it runs: one that moves by more has been set wrong. */
const JUMP_MS = 300_000
/** More than a clock is ever slewed while an answer is awaited. */
const SET_MS = 100

/** What three clocks said at once: that of Redis, our own, and the one that nobody can set. */
interface Sample {
  readonly theirs: number
  readonly own: number
  readonly steady: number
}

/**
 * A clock that all instances share, however wrong their own: that of Redis, in ms since the epoch. It is followed second by
 * second, but not where it jumps for minutes: that would time everybody out. Our own until Redis has first been asked.
 */
export function watchClock({ client }: RedisClients): () => number {
  let offset = 0
  let ignored = 0
  let last: Sample | null = null

  async function look(): Promise<void> {
    const [sentAt, sentAtSteady] = [Date.now(), performance.now()]
    const [seconds, micros] = (await client.eval(TIME, 1, keys.identity)) as [string, string]
    const sample = {
      theirs: Number(seconds) * 1000 + Number(micros) / 1000,
      own: Date.now(),
      steady: performance.now(),
    }
    const wasSet = Math.abs(sample.own - sentAt - (sample.steady - sentAtSteady)) > SET_MS
    if (wasSet) return // our own clock, while we waited, or the machine slept: this tells nothing
    if (last !== null) ignored += jump(last, sample)
    const theirs = sample.theirs - ignored
    // It was that time there at some moment between question and answer: no other offset can be right.
    const [least, most] = [theirs - sample.own, theirs - sentAt]
    offset = last === null ? (least + most) / 2 : Math.min(Math.max(offset, least), most)
    last = sample
  }

  const tryLook = () => void look().catch(() => {}) // it goes on as before
  setInterval(tryLook, LOOK_MS).unref()
  client.on('ready', tryLook)
  return () => Date.now() + offset
}

/** By how much the clock of Redis has been set while ours was not. */
function jump(before: Sample, after: Sample): number {
  const passed = after.steady - before.steady
  const [theirs, own] = [after.theirs - before.theirs - passed, after.own - before.own - passed]
  return Math.abs(theirs) > JUMP_MS && Math.abs(own) <= JUMP_MS ? theirs : 0
}
