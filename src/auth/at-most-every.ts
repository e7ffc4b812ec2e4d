import { setTimeout as wait } from 'node:timers/promises'

/**
 * Makes a function that begins the work at most once in `pauseMs`: at once if it may; callers who must wait share the next run
 * and its result.
 */
export function atMostEvery<T>(pauseMs: number, work: () => Promise<T>): () => Promise<T> {
  let begunAt = -Infinity
  let next: Promise<T> | null = null

  async function begin(): Promise<T> {
    const restMs = begunAt + pauseMs - performance.now()
    await (restMs > 0 ? wait(restMs) : undefined)
    next = null
    begunAt = performance.now()
    return work()
  }

  return () => (next ??= begin())
}
