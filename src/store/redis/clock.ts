import type { Cluster, Redis } from 'ioredis'
import { keys } from '../keys.ts'
import type { RedisClients } from './client.ts'

const LOOK_MS = 250
/** After this many ms without an answer Redis counts as away: more than one look was missed. */
const SILENCE_MS = 750
const SILENCES_KEPT = 32
/** A clock that is this many ms from what it should say was set; one that is fewer is a little fast or slow. */
const SETTING_MS = 500
const SETTINGS_KEPT = 32

/** The clock that all instances share, and how long it could not be asked. */
export interface SharedClock {
  /** The time in ms since the epoch: the same for all instances, even if their own clocks are wrong or are set. */
  readonly now: () => number
  /**
   * When the shared clock was set since our start, as each of our own clocks shows it: the steady one, which stands still while
   * the machine sleeps, and the one that people set.
   */
  readonly histories: () => readonly History[]
  /** For how many ms in all Redis was away lately: back to the last time when it answered without a break for `withinMs`. */
  readonly awayMs: (withinMs: number) => number
  /** For how many ms Redis has not told its time. */
  readonly silentMs: () => number
}

/**
 * Follows the clock of Redis, by which values expire there: asks for its time four times a second. Until the first answer `now`
 * is our own time.
 */
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

  const tryLook = () => void look().catch(() => {}) // the clock goes on by the last answer
  setInterval(tryLook, LOOK_MS).unref()
  client.on('ready', tryLook)
  return {
    now: () => Math.round(steady.now()),
    histories: () => [steady.history(), wall.history()],
    awayMs: (withinMs) => totalWithin(silences, withinMs, performance.now()),
    silentMs: () => performance.now() - heardAt,
  }
}

type History = readonly { readonly from: number; readonly to: number }[]

/** Keeps the clock of Redis by one of our own clocks, and notes when one of the two was set. */
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
    /** Call it before asking Redis; it returns the function to call with the answer. */
    ask() {
      const askedAt = own()
      return (theirs: number) => {
        // Redis read its clock between our question and its answer: only offsets between these two can be right.
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

/** How many ms the silences lasted, going back from `now` until there was none for `withinMs`. */
function totalWithin(silences: readonly Silence[], withinMs: number, now: number): number {
  let total = 0
  for (const { from, to } of silences) {
    if (now - to - total >= withinMs) break
    total += to - from
  }
  return total
}

/** What our own clock would say if nobody had set it since the start. */
function steadyTime(): number {
  return performance.timeOrigin + performance.now()
}

/**
 * Asks Redis for its time, in ms since the epoch; on a Cluster always the same shard. It asks by GETEX, as all reads do, which a
 * server that may not know of a revocation refuses.
 */
export async function askTime(client: Redis | Cluster): Promise<number> {
  const [seconds, micros] = (await client.eval(
    "redis.call('GETEX', KEYS[1]) return redis.call('TIME')",
    1,
    keys.identity,
  )) as [string, string]
  return Number(seconds) * 1000 + Number(micros) / 1000
}
