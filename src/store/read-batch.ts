/** Reads the values under some keys, in their order; null where there is none. */
export type ReadKeys<T> = (keys: readonly string[]) => Promise<readonly (T | null)[]>

interface Batch<T> {
  readonly places: Map<string, number>
  readonly found: Promise<readonly (T | null)[]>
}

/**
 * Makes one read of all reads that are asked for in the same turn of the event loop, with each key once. All who asked get their
 * values from that read, or its failure.
 */
export function batchReads<T>(read: ReadKeys<T>): ReadKeys<T> {
  let open: Batch<T> | null = null

  function openBatch(): Batch<T> {
    const places = new Map<string, number>()
    const found = new Promise<readonly (T | null)[]>((resolve, reject) => {
      setImmediate(() => {
        open = null
        read([...places.keys()]).then(resolve, reject)
      })
    })
    return { places, found }
  }

  // Not async: on this hot path one more promise would cost as much as all the rest.
  return (keys) => {
    open ??= openBatch()
    const { places, found } = open
    for (const key of keys) if (!places.has(key)) places.set(key, places.size)
    return found.then((values) => keys.map((key) => values[places.get(key) ?? -1] ?? null))
  }
}
