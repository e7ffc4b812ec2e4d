/** The work, begun at most once in that time; whoever comes in between shares what the last one brings. */
export function atMostEvery(pauseMs: number, work: () => Promise<void>): () => Promise<void> {
  let begunAt = -Infinity
  let latest = Promise.resolve()
  return () => {
    if (performance.now() - begunAt >= pauseMs) {
      begunAt = performance.now()
      latest = work()
    }
    return latest
  }
}
