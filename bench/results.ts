import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { GROWTH } from './report.ts'

// RESULTS.md has two parts, each written by a run of its own.

const FOLDER = fileURLToPath(new URL('../../bench/', import.meta.url))
const PAGE = `${FOLDER}RESULTS.md`

/** Writes the comparison, as a page and in figures; what was found of growth stays. */
export async function saveComparison(page: string, figures: string): Promise<void> {
  const [, growth] = await readParts()
  await writeFile(`${FOLDER}results.json`, figures)
  await writeFile(PAGE, page + growth)
}

/** Writes what was found of growth; the comparison stays. */
export async function saveGrowth(section: string): Promise<void> {
  const [comparison] = await readParts()
  await writeFile(PAGE, comparison + section)
}

async function readParts(): Promise<[comparison: string, growth: string]> {
  const page = await readFile(PAGE, 'utf8')
  const at = page.indexOf(GROWTH)
  return at < 0 ? [page, ''] : [page.slice(0, at), page.slice(at)]
}
