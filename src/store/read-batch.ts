/** Reads the texts under some keys; null where there is none. */
export type ReadKeys = (keys: readonly string[]) => Promise<readonly (string | null)[]>

interface Batch {
  readonly places: Map<string, number>
  readonly texts: Promise<readonly (string | null)[]>
}

/**
 * One read per event-loop turn for all requests that wait: everything asked for in a turn is asked of the store at once,
 * a key that many ask for is asked for once. Answers and failures are those of the one read.
 */
export function batchReads(read: ReadKeys): ReadKeys {
  let open: Batch | null = null

  function openBatch(): Batch {
    const places = new Map<string, number>()
    const texts = new Promise<readonly (string | null)[]>((resolve, reject) => {
      setImmediate(() => {
        open = null
        read([...places.keys()]).then(resolve, reject)
      })
    })
    return { places, texts }
  }

  return async (keys) => {
    open ??= openBatch()
    const { places, texts } = open
    for (const key of keys) if (!places.has(key)) places.set(key, places.size)
    const found = await texts
    return keys.map((key) => found[places.get(key) as number] ?? null)
  }
}
