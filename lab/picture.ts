import type { Contender } from './contenders.ts'
import { type Cell, counted, duration, type Results } from './report.ts'
import type { Scenario } from './scenario.ts'
import { type Counts, isClean } from './tally.ts'

// A card of its own colour, so that it reads on a light page and on a dark one. Colours are Okabe and Ito's, which
// differ for colour-blind eyes, too; each has a shape and a word besides.

const LEFT = 218
const TOP = 126
const CELL = { width: 92, height: 44 }
const GRADES = {
  clean: { fill: '#d3efe4', ink: '#00553d', mark: 'circle', legend: 'nothing lost' },
  lost: {
    fill: '#fbe2b3',
    ink: '#5f3d00',
    mark: 'triangle',
    legend: 'people lose: logins, items, requests',
  },
  stale: { fill: '#a8380f', ink: '#ffffff', mark: 'square', legend: 'a thief gains: stale credentials work' },
  absent: { fill: '#eceef1', ink: '#5b6470', mark: 'none', legend: 'no such store to fail' },
} as const
type Grade = keyof typeof GRADES

/** The table as a picture: a row a contender, a column a scenario. */
export function picture(results: Results, contenders: readonly Contender[], scenarios: readonly Scenario[]): string {
  const width = LEFT + scenarios.length * CELL.width + 16
  const height = TOP + contenders.length * CELL.height + 60
  const rows = contenders.map((contender, row) => rowOf(contender, row, scenarios, results.cells[contender.name] ?? {}))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title desc" font-family="system-ui, 'DejaVu Sans', sans-serif">
<title id="title">Ways to keep sessions, side by side</title>
<desc id="desc">Each row is a way to keep sessions, each column something that happens to it. ${descriptionOf(results, contenders)}</desc>
<rect width="${width}" height="${height}" rx="10" fill="#ffffff" stroke="#c9ced6"/>
<text x="16" y="30" font-size="18" font-weight="700" fill="#1c2127">What is lost, and what a thief keeps</text>
${scenarios.map(columnOf).join('\n')}
${rows.join('\n')}
${legend(TOP + contenders.length * CELL.height + 34)}
<text x="${width - 16}" y="${TOP + contenders.length * CELL.height + 35}" text-anchor="end" font-size="12.5" fill="#3b434d">† data destroyed: all log in again</text>
</svg>
`
}

function columnOf({ letter, name }: Scenario, column: number): string {
  const x = LEFT + column * CELL.width + CELL.width / 2
  const lines = wrap(name, 13)
  const label = lines.map(
    (line, place) => `<tspan x="${x}" y="${TOP - 12 - (lines.length - 1 - place) * 13}">${line}</tspan>`,
  )
  const top = TOP - 12 - lines.length * 13 - 3
  return `<text text-anchor="middle" font-size="11" fill="#3b434d"><tspan x="${x}" y="${top}" font-weight="700" font-size="13" fill="#1c2127">${letter[0]}</tspan>${label.join('')}</text>`
}

function rowOf({ name, program }: Contender, row: number, scenarios: readonly Scenario[], cells: Record<string, Cell>) {
  const y = TOP + row * CELL.height
  const isOurs = program === 'latchkey'
  const title = `<text x="16" y="${y + 26}" font-size="13" font-weight="${isOurs ? 700 : 400}" fill="#1c2127">${name}</text>`
  return [title, ...scenarios.map(({ letter }, column) => cellOf(cells[letter], LEFT + column * CELL.width, y))].join(
    '\n',
  )
}

function cellOf(cell: Cell | undefined, x: number, y: number): string {
  const counts = cell === undefined || 'absent' in cell ? null : cell.counts
  const grade = gradeOf(counts)
  const { fill, ink } = GRADES[grade]
  const lines = counts === null ? ['–'] : shortWords(counts)
  const isZero = lines[0]?.startsWith('0') === true
  const first = y + CELL.height / 2 + (isZero ? 5.5 : 3.5) - (lines.length - 1) * 6.25
  const text = lines.map(
    (line, place) => `<tspan x="${x + CELL.width / 2 + 9}" y="${first + place * 12.5}">${line}</tspan>`,
  )
  return [
    `<rect x="${x + 1.5}" y="${y + 1.5}" width="${CELL.width - 3}" height="${CELL.height - 3}" rx="5" fill="${fill}"/>`,
    markOf(grade, x + 12, y + CELL.height / 2, ink),
    `<text text-anchor="middle" font-size="${isZero ? 15 : 10.5}" font-weight="${isZero ? 700 : 500}" fill="${ink}">${text.join('')}</text>`,
  ].join('')
}

function gradeOf(counts: Counts | null): Grade {
  if (counts === null) return 'absent'
  if (isClean(counts)) return 'clean'
  return counts.staleAccepts > 0 || counts.thievesFound < counts.thieves ? 'stale' : 'lost'
}

/** At most three lines, the worst first. */
function shortWords(counts: Counts): string[] {
  const { staleAccepts, staleForMs, thieves, thievesFound, lostLogins, lostData, failed, wrongStatuses } = counts
  const words = [
    ...(staleAccepts > 0 ? [`stale ${duration(staleForMs)}`] : []),
    ...(thieves > thievesFound ? ['thief stays'] : []),
    ...(lostLogins > 0 ? [counted(lostLogins, 'login')] : []),
    ...(lostData > 0 ? [counted(lostData, 'item')] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(wrongStatuses > 0 && failed + lostLogins === 0 ? [`${wrongStatuses} wrong`] : []),
  ]
  const [first = '0', ...others] = words
  return [`${first}${counts.destroyed > 0 ? ' †' : ''}`, ...others].slice(0, 3)
}

function markOf(grade: Grade, x: number, y: number, ink: string): string {
  const { mark } = GRADES[grade]
  if (mark === 'circle') return `<circle cx="${x}" cy="${y}" r="4.5" fill="none" stroke="${ink}" stroke-width="2"/>`
  if (mark === 'triangle') return `<path d="M${x} ${y - 5}l5.5 10h-11z" fill="${ink}"/>`
  return mark === 'square' ? `<rect x="${x - 4.5}" y="${y - 4.5}" width="9" height="9" fill="${ink}"/>` : ''
}

function legend(y: number): string {
  let x = 16
  return (['clean', 'lost', 'stale', 'absent'] as const)
    .map((grade) => {
      const { fill, ink, legend: words } = GRADES[grade]
      const item = `<rect x="${x}" y="${y - 14}" width="24" height="20" rx="4" fill="${fill}"/>${markOf(grade, x + 12, y - 4, ink)}<text x="${x + 31}" y="${y + 1}" font-size="12.5" fill="#3b434d">${words}</text>`
      x += 52 + words.length * 6.9
      return item
    })
    .join('\n')
}

function descriptionOf({ cells }: Results, contenders: readonly Contender[]): string {
  const sentences = contenders.map(({ name }) => {
    const bad = Object.entries(cells[name] ?? {}).filter(([, cell]) => 'counts' in cell && !isClean(cell.counts))
    const letters = [...new Set(bad.map(([letter]) => letter[0]))]
    return `${name}: ${letters.length === 0 ? 'nothing lost' : `trouble in ${letters.join(', ')}`}.`
  })
  return sentences.join(' ')
}

function wrap(words: string, width: number): string[] {
  const lines: string[] = []
  for (const word of words.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}
