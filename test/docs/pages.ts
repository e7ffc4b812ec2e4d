import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A page of the documentation. */
export interface Page {
  readonly path: string
  readonly text: string
  /** What stands between fences, in its order. */
  readonly blocks: readonly Block[]
  /** The text without its blocks. */
  readonly prose: string
}

export interface Block {
  readonly language: string
  readonly text: string
}

const FENCED = /^```(\w*)\n(.*?)\n```$/gms

/** Reads a page of the repository. */
export function readPage(path: string): Page {
  const text = readFileSync(path, 'utf8')
  const blocks = [...text.matchAll(FENCED)].map(([, language = '', block = '']) => ({ language, text: block }))
  const prose = text.replaceAll(FENCED, '')
  if (prose.includes('```')) throw new Error(`${path} has a block that does not begin and end at the margin`)
  return { path, text, blocks, prose }
}

/** Every page: both READMEs, what is in docs, and the READMEs of the packages. */
export function readPages(): Page[] {
  const inDocs = readdirSync('docs').map((name) => join('docs', name))
  const ofPackages = readdirSync('packages').map((name) => join('packages', name, 'README.md'))
  return ['README.md', 'README.ko.md', ...inDocs, ...ofPackages].map(readPage)
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf({ prose }: Page): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of prose.matchAll(/^#{1,6} (.+)$/gm)) {
    const anchor = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-')
    if (anchors.has(anchor)) throw new Error(`two headings are #${anchor}`)
    anchors.add(anchor)
  }
  return anchors
}

/** Where the page links to, with what is in angle brackets; pictures, too. */
export function linksOf({ prose }: Page): string[] {
  const written = prose.replaceAll(/`[^`]*`/g, '')
  return [...written.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
}

/** The cells of each row of each table, heads included. */
export function rowsOf({ prose }: Page): string[][] {
  const rows = prose.matchAll(/^\| (.+) \|$/gm)
  return [...rows].map(([, row = '']) => row.split(' | ').map((cell) => cell.trim()))
}
