import { setTimeout as wait } from 'node:timers/promises'
import pLimit from 'p-limit'
import { Busy } from '../auth/errors.ts'
import { StoreUnavailable } from '../store/store.ts'
import { deliver, type Post } from './delivery.ts'
import { openHints, type Placed, type Waiting } from './hints.ts'

/** Sends what waits, in the background. */
export interface Sender {
  /** Says that a mail waits: it is looked for at once. */
  readonly wake: () => void
  /** Takes no mail any more, and resolves when those that are being sent are sent, or after some seconds. */
  readonly stop: () => Promise<void>
  /** What waits, for all instances, as of the last look. */
  readonly waiting: () => Waiting
}

/** What waits is looked for every so many ms: another instance may have written it, or have crashed. */
const LOOK_MS = 1000
/** After a look it waits so many ms: what many requests write meanwhile is looked for at once. */
const BREATH_MS = 50
/** So many mails are sent at once. */
const AT_ONCE = 8
/** For how many ms a sender that is stopped waits for what is being sent. */
const PATIENCE_MS = 6000

/** Opens a sender, which looks from now on. While the store is away it waits: what is not sent stays where it is. */
export function openSender(post: Post): Sender {
  const hints = openHints(post)
  const limit = pLimit(AT_ONCE)
  const sending = new Set<Promise<void>>()
  let isStopped = false

  async function follow(placed: Placed): Promise<void> {
    if (isStopped) return
    hints.putBack(placed, (await unlessAway(() => deliver(post, placed.hint))) ?? post.clock())
  }

  async function look(): Promise<void> {
    const found = isStopped ? [] : await hints.take()
    for (const placed of found) {
      const sent = limit(() => follow(placed)).finally(() => sending.delete(sent))
      sending.add(sent)
    }
  }

  const looks = repeat(() => unlessAway(look), LOOK_MS)

  async function end(): Promise<void> {
    isStopped = true
    looks.end()
    await Promise.race([Promise.allSettled(sending), wait(PATIENCE_MS, undefined, { ref: false })])
    await unlessAway(hints.forgetOver)
  }
  let ended: Promise<void> | null = null
  return { wake: looks.wake, stop: () => (ended ??= end()), waiting: hints.waiting }
}

/** What the work comes to; null: the store is away, or too many want the same of it. */
async function unlessAway<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof StoreUnavailable || error instanceof Busy) return null
    throw error
  }
}

/** Does the work at once, every so many ms and whenever it is woken, never twice at a time. */
function repeat(work: () => Promise<unknown>, pauseMs: number) {
  let [isWorking, isWoken] = [false, false]
  async function wake(): Promise<void> {
    isWoken = true
    if (isWorking) return
    isWorking = true
    try {
      while (isWoken) {
        isWoken = false
        await work()
        await wait(BREATH_MS, undefined, { ref: false })
      }
    } finally {
      isWorking = false
    }
  }
  const timer = setInterval(() => void wake(), pauseMs).unref()
  void wake()
  return { wake: () => void wake(), end: () => clearInterval(timer) }
}
