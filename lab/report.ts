import type { Contender } from './contenders.ts'
import type { Scenario } from './scenario.ts'
import { type Counts, isClean } from './tally.ts'

/** What came of a contender in a scenario: counts, or why there are none. */
export type Cell = { readonly counts: Counts } | { readonly absent: string }

/** Of a contender that did not start: what it needs is not on this machine. */
export const NOT_HERE = 'not measured here'

/** All of a run. */
export interface Results {
  readonly about: {
    readonly date: string
    readonly machine: string
    readonly form: string
    readonly seed: number
    readonly seconds: number
  }
  /** By the contender's name, then by the scenario's letter. */
  readonly cells: Readonly<Record<string, Readonly<Record<string, Cell>>>>
}

/** What went wrong, the worst first, in a few words each; empty: nothing did. */
export function wordsOf(counts: Counts): string[] {
  const { lostLogins, staleAccepts, staleForMs, lostData, failed, wrongStatuses, thieves, thievesFound } = counts
  const unfound = thieves - thievesFound
  return [
    ...(staleAccepts > 0 ? [`${staleAccepts} stale, ${duration(staleForMs)}`] : []),
    ...(unfound > 0 ? [`${unfound} of ${thieves} thieves stay`] : []),
    ...(lostLogins > 0 ? [`${counted(lostLogins, 'login')} lost`] : []),
    ...(lostData > 0 ? [`${lostData} data lost`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(wrongStatuses > 0 && failed + lostLogins === 0 ? [`${wrongStatuses} wrong statuses`] : []),
  ]
}

/** 1 login, 2 logins. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** 0, or what went wrong. */
export function cellText(cell: Cell | undefined): string {
  if (cell === undefined || 'absent' in cell) return cell?.absent ?? '–'
  const words = wordsOf(cell.counts)
  const destroyed = cell.counts.destroyed > 0 ? ['(data destroyed: all logins)'] : []
  return [...(words.length === 0 ? ['**0**'] : words), ...destroyed].join('<br>')
}

/** The largest unit that fits. */
export function duration(ms: number): string {
  const units = [
    [24 * 3600_000, 'd'],
    [3600_000, 'h'],
    [60_000, 'min'],
    [1000, 's'],
  ] as const
  const [size, name] = units.find(([unit]) => ms >= unit) ?? [1, 'ms']
  return `${Math.round(ms / size)} ${name}`
}

/** What is not as it should be, in words: a cell of Latchkey's that is not clean, and any that was begun and not measured. */
export function faultsOf({ name, program }: Contender, { cells }: Results): string[] {
  const isOurs = program === 'latchkey'
  return Object.entries(cells[name] ?? {}).flatMap(([letter, cell]) => {
    const isFault = 'absent' in cell ? isOurs || cell.absent !== NOT_HERE : isOurs && !isClean(cell.counts)
    return isFault ? [`${name}, ${letter}: ${'absent' in cell ? cell.absent : JSON.stringify(cell.counts)}`] : []
  })
}

/** How much was tried of each contender in a scenario. */
function thingsDone({ cells }: Results): (scenario: Scenario) => string {
  return ({ letter }) => {
    const tried = Object.values(cells).flatMap(({ [letter]: cell }) =>
      cell !== undefined && 'counts' in cell ? [cell.counts.outOf] : [],
    )
    return tried.length === 0 ? '–' : `${Math.min(...tried)}`
  }
}

/** The file for people. */
export function markdown(results: Results, contenders: readonly Contender[], scenarios: readonly Scenario[]): string {
  const { date, machine, form, seed, seconds } = results.about
  const cellsOf = ({ name }: Contender) => scenarios.map(({ letter }) => cellText(results.cells[name]?.[letter]))
  return `# Beside the others

Written by \`npm run lab\` (${form} form, seed ${seed}, ${seconds} s) on ${date.slice(0, 10)}: ${machine}.
Three instances of each contender, each a process with a clock of its own, behind nginx; Redis with \`appendfsync always\`, real HTTP clients.

![Each contender in each scenario: what was lost](results.svg)

${table(
  ['', ...scenarios.map(({ letter, name }) => `${letter} ${name}`)],
  [
    ...contenders.map((each) => [each.name, ...cellsOf(each)]),
    ['things done, at least', ...scenarios.map(thingsDone(results))],
  ],
)}

- **logins lost**: how often somebody who had not logged out was told to log in.
- **stale**: requests accepted that were sent after the answer that ended their session, and the age of the oldest; E and F try until thirteen days later, I only at once.
- **thieves stay**: the thief with a copy of the credential was not found, and goes on.
- **data lost**: items and settings that were acknowledged and missing, or old, when they were read.
- **failed**: what failed although the client tried again. All clients have one rule: a lost connection, 502 and 504 are tried once more, an answer with \`Retry-After\` is waited out.
- **data destroyed**: the store came back empty, and everybody had to log in again (with Latchkey, to register again). Counted apart, as no one can help it.
- **–**: the contender has no store. Anything else in words says why there are no counts.

Each contender keeps the login, the cart and the theme in what it is named after, as its documentation shows it. An application that keeps cart and settings in its own database does not lose
them, and has written that part itself. Accounts and passwords are in a table that never fails, except Latchkey's, which are in its store.

## When the store fails

From the end of the worst fault until every instance served again, and the answers 401 and 500 that honest clients got meanwhile, where 503 is right.

${recoveries(results, contenders, scenarios)}

## The scenarios

${scenarios.map(({ letter, name, about }) => `- **${letter}, ${name}.** ${about}`).join('\n')}

## The contenders: what they cost, and where they do better

${contenders.map(({ name, words }) => `- **${name}.** ${words}`).join('\n')}
`
}

function storeScenarios(scenarios: readonly Scenario[]): Scenario[] {
  return scenarios.filter(({ store }) => store !== undefined)
}

function recoveries({ cells }: Results, contenders: readonly Contender[], scenarios: readonly Scenario[]): string {
  const faults = storeScenarios(scenarios)
  const rows = contenders
    .filter(({ stores }) => stores.length > 0)
    .map(({ name }) => [name].concat(faults.map(({ letter }) => recoveryText(cells[name]?.[letter]))))
  return table(['', ...faults.map(({ name }) => name)], rows)
}

function recoveryText(cell: Cell | undefined): string {
  if (cell === undefined || 'absent' in cell) return cell?.absent ?? '–'
  const { recoveryMs, wrongStatuses } = cell.counts
  const wrong = wrongStatuses === 0 ? 'no wrong status' : `${wrongStatuses} wrong statuses`
  return `${((recoveryMs ?? 0) / 1000).toFixed(1)} s, ${wrong}`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
