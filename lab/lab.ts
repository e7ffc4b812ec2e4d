import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { openBrowser } from '../test/support/chromium.ts'
import { type Contender, CONTENDERS, installContenders, type StoreKind } from './contenders.ts'
import { type Fleet, startFleet } from './fleet.ts'
import { picture } from './picture.ts'
import { type Cell, cellText, faultsOf, markdown, NOT_HERE, type Results } from './report.ts'
import { randomFrom, type Scenario } from './scenario.ts'
import { SCENARIOS } from './scenarios.ts'
import { isClean, makeTally } from './tally.ts'

// npm run lab: every contender through every scenario. `--quick` does less of each, with a few of them, and writes no files.
// CONTENDERS and SCENARIOS (a word of the name, letters) pick some, which writes no files either.

const isQuick = process.argv.includes('--quick')
const SEED = Number(process.env['SEED'] ?? 20_261_122)
const LANES = isQuick ? 9 : 4
const { CONTENDERS: word, SCENARIOS: letters } = process.env
/** The quick form needs no more: between them the first two show something in every scenario. */
const QUICK = new Set(['memory, round robin', 'express-session + Redis', 'Latchkey, body', 'Latchkey, cookie'])
const isAsked = (name: string) => (word === undefined ? !isQuick || QUICK.has(name) : name.includes(word))
const contenders = CONTENDERS.filter(({ name }) => isAsked(name))
const scenarios = SCENARIOS.filter(({ letter }) => letters === undefined || letters.split(',').includes(letter))

/** A fleet of one contender, with one kind of store, and what it goes through. */
interface Job {
  readonly contender: Contender
  readonly kind: StoreKind | undefined
  readonly scenarios: readonly Scenario[]
}

const startedAt = performance.now()
await installContenders()
const browser = await openBrowser()
const cells: Record<string, Record<string, Cell>> = Object.fromEntries(contenders.map(({ name }) => [name, {}]))
const jobs = contenders.flatMap(jobsOf).toSorted((a, b) => effortOf(b) - effortOf(a))
await Promise.all(Array.from({ length: LANES }, work))
await browser.close()
process.exit(await report())

/** Latchkey, which has the most to go through, does so on two fleets of each kind. */
function jobsOf(contender: Contender): Job[] {
  return kindsOf(contender)
    .flatMap((kind) => {
      const asked = scenarios.filter(({ store }) => belongs(store, kind))
      const half = contender.program === 'latchkey' ? Math.ceil(asked.length / 2) : asked.length
      return [asked.slice(0, half), asked.slice(half)].map((part) => ({ contender, kind, scenarios: part }))
    })
    .filter(({ scenarios }) => scenarios.length > 0)
}

/** The stores it goes through the lab with; the quick form brings up Sentinels and Clusters for Latchkey only. */
function kindsOf({ program, stores }: Contender): readonly (StoreKind | undefined)[] {
  if (stores.length === 0) return [undefined]
  return isQuick && program !== 'latchkey' ? ['standalone'] : stores
}

/** A Sentinel or a Cluster is for the scenario about it. */
function belongs(asked: StoreKind | undefined, kind: StoreKind | undefined): boolean {
  return asked === kind || (asked === undefined && kind === 'standalone')
}

/** The long ones first, so that the lanes end together. */
function effortOf({ contender, kind }: Job): number {
  const base = kind === 'standalone' ? 4 : kind === 'sentinel' ? 3 : kind === 'cluster' ? 2 : 1
  return contender.program === 'latchkey' ? base * 2 : base
}

async function work(): Promise<void> {
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) await goThrough(job)
}

async function goThrough({ contender, kind, scenarios }: Job): Promise<void> {
  const row = cells[contender.name] ?? {}
  let fleet: Fleet
  try {
    fleet = await startFleet(contender, kind)
  } catch (error) {
    say(`${contender.name} did not start: ${String(error)}`)
    for (const { letter } of scenarios) row[letter] = { absent: NOT_HERE }
    return
  }
  try {
    for (const scenario of scenarios) row[scenario.letter] = await measure(fleet, scenario)
  } finally {
    await fleet.stop()
  }
}

async function measure(fleet: Fleet, scenario: Scenario): Promise<Cell> {
  const from = performance.now()
  const tally = makeTally()
  const size = (quick: number, full: number) => (isQuick ? quick : full)
  let cell: Cell = { counts: tally.counts }
  try {
    await scenario.run({ fleet, tally, browser, random: randomFrom(SEED), size })
  } catch (error) {
    for (const { lastWords } of fleet.servers) for (const line of lastWords()) say(`  ${line}`)
    say(String(error))
    cell = { absent: `broke off: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}` }
  }
  const seconds = ((performance.now() - from) / 1000).toFixed(1)
  say(`${fleet.contender.name}, ${scenario.letter}: ${cellText(cell).replaceAll('<br>', ', ')} (${seconds} s)`)
  return cell
}

/** Prints and, in the full form, writes what was found; 1 where Latchkey is not clean or a scenario shows nothing. */
async function report(): Promise<number> {
  const machine = `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`
  const seconds = Math.round((performance.now() - startedAt) / 1000)
  const about = { date: new Date().toISOString(), machine, form: isQuick ? 'quick' : 'full', seed: SEED, seconds }
  const results: Results = { about, cells }
  const text = markdown(results, contenders, scenarios)
  const isWhole = word === undefined && letters === undefined
  if (!isQuick && isWhole) await save(results, text)
  const faults = [
    ...contenders.flatMap((each) => faultsOf(each, results)),
    ...(isWhole
      ? scenarios.filter(showsNothing).map(({ letter }) => `${letter} has shown nothing of any contender`)
      : []),
  ]
  say(`seed ${SEED}, ${seconds} s; ${faults.length === 0 ? 'Latchkey: zeros' : 'not as it should be:'}`)
  for (const fault of faults) say(fault)
  return faults.length === 0 ? 0 : 1
}

function showsNothing({ letter }: Scenario): boolean {
  const others = contenders.filter(({ program }) => program !== 'latchkey').map(({ name }) => cells[name]?.[letter])
  const measured = others.filter((cell) => cell !== undefined)
  return measured.length > 0 && !measured.some((cell) => 'counts' in cell && !isClean(cell.counts))
}

async function save(results: Results, text: string): Promise<void> {
  const folder = fileURLToPath(new URL('../../lab/', import.meta.url))
  await writeFile(`${folder}results.json`, `${JSON.stringify(results, rounded, 1)}\n`)
  await writeFile(`${folder}RESULTS.md`, text)
  await writeFile(`${folder}results.svg`, picture(results, contenders, scenarios))
}

function rounded(_name: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value) : value
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
