import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { FACTORS, GROWTH, METRICS, SERVICES } from './report.ts'

// RESULTS.md has five parts, each written by a run of its own.

const FOLDER = fileURLToPath(new URL('../../bench/', import.meta.url))
const PAGE = `${FOLDER}RESULTS.md`
/** Where the parts after the first begin. */
const HEADS = [GROWTH, METRICS, SERVICES, FACTORS]

/** Writes the comparison, as a page and in figures; the other parts stay. */
export async function saveComparison(page: string, figures: string): Promise<void> {
  await writeFile(`${FOLDER}results.json`, figures)
  await savePart(0, page)
}

/** Writes what was found of growth; the other parts stay. */
export const saveGrowth = async (section: string): Promise<void> => savePart(1, section)

/** Writes what was found of the cost of metrics; the other parts stay. */
export const saveMetrics = async (section: string): Promise<void> => savePart(2, section)

/** Writes what was found of services that verify tokens; the other parts stay. */
export const saveServices = async (section: string): Promise<void> => savePart(3, section)

/** Writes what was found of the cost of second factors; the other parts stay. */
export const saveFactors = async (section: string): Promise<void> => savePart(4, section)

async function savePart(place: number, part: string): Promise<void> {
  const page = await readFile(PAGE, 'utf8')
  const begins = [0, ...HEADS.map((head) => page.indexOf(head)), page.length].map((at) => (at < 0 ? page.length : at))
  const parts = begins.slice(0, -1).map((at, index) => page.slice(at, begins[index + 1]))
  await writeFile(PAGE, parts.with(place, part).join(''))
}
