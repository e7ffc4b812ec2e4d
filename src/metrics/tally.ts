/** Counts under a closed list of labels. A count is one addition in a plain array. */
export interface Tally<L extends string> {
  readonly add: (label: L) => void
  /** Each label, with its count. */
  readonly read: () => readonly (readonly [label: L, count: number])[]
}

/** Makes a tally, with a count of zero under each label. What is not on the list is not counted. */
export function makeTally<L extends string>(labels: readonly L[]): Tally<L> {
  const counts = new Float64Array(labels.length)
  const places = new Map(labels.map((label, place) => [label, place]))
  return {
    add(label) {
      const place = places.get(label)
      if (place !== undefined) counts[place] = (counts[place] as number) + 1
    },
    read: () => labels.map((label, place) => [label, counts[place] as number]),
  }
}
