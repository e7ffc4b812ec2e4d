/** Reads what is under some keys; null where there is nothing. */
export type ReadKeys<T> = (keys: readonly string[]) => Promise<readonly (T | null)[]>

interface Batch<T> {
  readonly places: Map<string, number>
  readonly found: Promise<readonly (T | null)[]>
}

/**
 * One read per event-loop turn for all requests that wait: everything asked for in a turn is asked of the store at once,
 * a key that many ask for is asked for once. Answers and failures are those of the one read.
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

  // Not async: this is the hot path, a promise more costs as much as all the rest.
  return (keys) => {
    open ??= openBatch()
    const { places, found } = open
    for (const key of keys) if (!places.has(key)) places.set(key, places.size)
    return found.then((values) => keys.map((key) => values[places.get(key) ?? -1] ?? null))
  }
}
