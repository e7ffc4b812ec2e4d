import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

// To start a process and load the service takes longer than most tests: those that start no instance of the service run in as many
// processes as there are shares, one after another in each. Each file can still be run by itself.

const SHARES = 4
/** Their tests start instances, and each file has a process of its own. */
const APART = /^(?:browser|faults|processes|shares)\//

/** Runs every fourth file of tests, from this one on (0 to 3): neighbours, which are alike, are in different shares. */
export function runShare(first: number): void {
  const folder = new URL('../', import.meta.url)
  const names = readdirSync(fileURLToPath(folder), { encoding: 'utf8', recursive: true })
  const files = names.filter((name) => name.endsWith('.test.js') && !APART.test(name)).toSorted()
  // As long as this test runs, no other begins: not before each file has named its own.
  void t.test('all files of this share load', async () => {
    for (const name of files.filter((_, at) => at % SHARES === first)) await import(new URL(name, folder).href)
  })
}
