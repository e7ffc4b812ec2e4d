/** Lets work in until it is closed. */
export interface Gate {
  /** Does the work; rejects if the gate is closed. */
  readonly pass: <T>(work: () => T | Promise<T>) => Promise<T>
  /** Lets no more in, and resolves when all that is under way is done. */
  readonly close: () => Promise<void>
}

/** Makes a gate that is open. */
export function makeGate(): Gate {
  const underWay = new Set<Promise<unknown>>()
  let isClosed = false
  return {
    async pass(work) {
      if (isClosed) throw new Error('the store is closed')
      const running = (async () => work())()
      underWay.add(running)
      return running.finally(() => underWay.delete(running))
    },
    async close() {
      isClosed = true
      await Promise.allSettled(underWay)
    },
  }
}
