import type { Cluster, Redis } from 'ioredis'
import { keys } from '../keys.ts'
import type { RedisClients } from './client.ts'

const LOOK_MS = 250
/** More than one look was missed. */
const SILENCE_MS = 750
const SILENCES_KEPT = 32
/** A clock that differs by as much from what it should say has been set; by less, it is a little fast or slow. */
const SETTING_MS = 500
const SETTINGS_KEPT = 32

/** The clock of Redis, and how long that could not be asked. */
export interface SharedClock {
  /** In ms since the epoch: the same for all instances, however wrong their own clocks, and whenever those are set. */
  readonly now: () => number
  /** When it was set since our start, by each of our own clocks: by the steady one, which stands still while the machine sleeps, and by the one that people set. */
  readonly histories: () => readonly History[]
  /** For how many ms nothing was answered, all in all, since the moment from which on it answered for `withinMs`. */
  readonly awayMs: (withinMs: number) => number
}

/** Asks Redis for its time four times a second; by the same clock it forgets what has expired. Our own of the start until it has answered. */
export function watchClock({ client }: RedisClients): SharedClock {
  const [steady, wall] = [compareWith(steadyTime), compareWith(Date.now)]
  let heardAt = performance.now()
  let silences: Silence[] = [] // newest first

  async function look(): Promise<void> {
    const notes = [steady, wall].map((clock) => clock.ask())
    const theirs = await askTime(client)
    for (const note of notes) note(theirs)
    hear(performance.now())
  }

  function hear(at: number): void {
    if (at - heardAt > SILENCE_MS) silences = [{ from: heardAt, to: at }, ...silences].slice(0, SILENCES_KEPT)
    heardAt = at
  }

  const tryLook = () => void look().catch(() => {}) // it goes on as before
  setInterval(tryLook, LOOK_MS).unref()
  client.on('ready', tryLook)
  return {
    now: () => Math.round(steady.now()),
    histories: () => [steady.history(), wall.history()],
    awayMs: (withinMs) => totalWithin(silences, withinMs, performance.now()),
  }
}

type History = readonly { readonly from: number; readonly to: number }[]

/** What the clock of Redis says by one of our own, and when one of the two was set. */
function compareWith(own: () => number) {
  let offset: number | null = null
  let history: History = [] // newest first

  function settle(next: number): void {
    if (offset !== null && Math.abs(next - offset) >= SETTING_MS) {
      history = [{ from: own() + offset, to: own() + next }, ...history].slice(0, SETTINGS_KEPT)
    }
    offset = next
  }

  return {
    now: () => own() + (offset ?? 0),
    history: () => history,
    /** Begins a question; what it gives back takes the answer. */
    ask() {
      const askedAt = own()
      return (theirs: number) => {
        // It was that time there at some moment between question and answer: no other offset can be right.
        const [least, most] = [theirs - own(), theirs - askedAt]
        settle(Math.min(Math.max(offset ?? (least + most) / 2, least), most))
      }
    },
  }
}

/** A time in which Redis did not answer. */
interface Silence {
  readonly from: number
  readonly to: number
}

/** Going back from `now` through the silences, newest first, until there was no silence for `withinMs`: how long they were. */
function totalWithin(silences: readonly Silence[], withinMs: number, now: number): number {
  let total = 0
  for (const { from, to } of silences) {
    if (now - to - total >= withinMs) break
    total += to - from
  }
  return total
}

/** What our clock would say if nobody set it after the start. */
function steadyTime(): number {
  return performance.timeOrigin + performance.now()
}

/**
 * The time of Redis, in ms since the epoch; on a Cluster always that of the same shard. As other reads it is by GETEX, and
 * so by nobody who may not know of a revocation.
 */
export async function askTime(client: Redis | Cluster): Promise<number> {
  const [seconds, micros] = (await client.eval(
    "redis.call('GETEX', KEYS[1]) return redis.call('TIME')",
    1,
    keys.identity,
  )) as [string, string]
  return Number(seconds) * 1000 + Number(micros) / 1000
}
