import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

// To start a process and load the service takes longer than most tests: those that start no instance of the service run combined, in
// four processes, one after another in each. Each file can still be run by itself. By their name they are due while the tests of
// test/browser/ mostly wait: first those that compute most.

const PROCESSES = 4
/** Their tests start instances, and each file has a process of its own. */
const APART = /^(?:browser|combined|crashes|faults|processes)\//
/** These compute most. */
const DEAR = /^model\//

/** Runs every fourth file of tests, from this one on (0 to 3): neighbours, which are alike, are in different processes. */
export function runCombined(first: number): void {
  const folder = new URL('../', import.meta.url)
  const names = readdirSync(fileURLToPath(folder), { encoding: 'utf8', recursive: true })
  const own = names.filter((name) => name.endsWith('.test.js') && !APART.test(name)).toSorted()
  const files = [...own.filter((name) => DEAR.test(name)), ...own.filter((name) => !DEAR.test(name))]
  // As long as this test runs, no other begins: not before each file has named its own.
  void t.test('all these files load', async () => {
    for (const name of files.filter((_, at) => at % PROCESSES === first)) await import(new URL(name, folder).href)
  })
}
