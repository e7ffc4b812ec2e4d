/** What has become of the lines of an import so far. */
export interface Tally {
  readonly created: number
  readonly exists: number
  /** By code, how many, and the first line of them. */
  readonly refused: Readonly<Record<string, { readonly count: number; readonly first: number }>>
}

export const NO_TALLY: Tally = { created: 0, exists: 0, refused: {} }

/** What the service says of a line. */
export interface Result {
  readonly line: number
  readonly id?: string | undefined
  readonly status: 'created' | 'exists' | 'refused'
  readonly code?: string | undefined
}

/** The tally with these results, too. */
export function addResults(tally: Tally, results: readonly Result[]): Tally {
  let { created, exists } = tally
  const refused = { ...tally.refused }
  for (const { line, status, code = 'unknown' } of results) {
    if (status === 'created') created += 1
    else if (status === 'exists') exists += 1
    else {
      const { count: before, first } = refused[code] ?? { count: 0, first: line }
      refused[code] = { count: before + 1, first }
    }
  }
  return { created, exists, refused }
}

/** How many lines were refused. */
export function refusedIn({ refused }: Tally): number {
  return Object.values(refused).reduce((sum, each) => sum + each.count, 0)
}

/** The tally in words. */
export function wordsOf(tally: Tally): string {
  const refused = Object.entries(tally.refused).map(
    ([code, each]) =>
      `${each.count.toLocaleString('en')} ${code}, the first in line ${each.first.toLocaleString('en')}`,
  )
  const counts = `${tally.created.toLocaleString('en')} created, ${tally.exists.toLocaleString('en')} there already, `
  const failed = `${refusedIn(tally).toLocaleString('en')} refused`
  return counts + (refused.length === 0 ? failed : `${failed} (${refused.join('; ')})`)
}
