import { setTimeout as wait } from 'node:timers/promises'

/** The work, begun at most once in that time: at once if it may, else all who come meanwhile share the next turn. */
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
