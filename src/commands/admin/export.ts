import { open, rename } from 'node:fs/promises'
import { insist, PATIENCE_MS, type Place } from './client.ts'
import type { Desk } from './desk.ts'
import { demandPlace, forgetProgress, readProgress, saveProgress } from './progress-file.ts'

/** How far an export to a file has come: so many bytes of it are whole answers, and where the next begins. */
interface Progress {
  readonly bytes: number
  readonly users: number
  readonly cursor: string
}

const BEGINNING: Progress = { bytes: 0, users: 0, cursor: '' }

/** Exports all users, to standard output or to a file, which has its name only when it is whole. */
export async function exportUsers(desk: Desk, [path]: readonly string[]): Promise<void> {
  if (path === undefined) return follow(desk, BEGINNING, desk.out)
  const [part, at] = [`${path}.part`, `${path}.progress`]
  const known = await readProgress<Progress & { readonly place: Place }>(at)
  const { place } = desk.client
  const file = await open(part, 'a')
  try {
    const isThere = known !== null && (await file.stat()).size >= known.bytes
    if (isThere) demandPlace(at, known.place, place)
    const progress = isThere ? known : BEGINNING
    await file.truncate(progress.bytes)
    await follow(desk, progress, async (lines, next) => {
      await file.appendFile(lines)
      await file.sync()
      await saveProgress(at, { ...next, place })
    })
  } finally {
    await file.close()
  }
  await rename(part, path)
  await forgetProgress(at)
}

/** Asks answer by answer; `take` gets the lines of each that is whole, and how far the export has come with them. */
async function follow(
  { client, err, isWatched }: Desk,
  from: Progress,
  take: (lines: string, next: Progress) => Promise<void>,
): Promise<void> {
  let progress = from
  do {
    const query = progress.cursor === '' ? '' : `?cursor=${encodeURIComponent(progress.cursor)}`
    const asked = { method: 'GET', path: `/admin/v1/export${query}` } as const
    const answer = await insist(
      () => client.ask(asked),
      PATIENCE_MS.long,
      (reason) => err(`Waiting: ${reason}\n`),
    )
    const { lines, users, next } = readAnswer(answer)
    progress = { bytes: progress.bytes + Buffer.byteLength(lines), users: progress.users + users, cursor: next }
    await take(lines, progress)
    if (isWatched) err(`\r${progress.users.toLocaleString('en')} users\u001B[K`)
  } while (progress.cursor !== '')
  if (isWatched) err('\n')
}

/** The lines of users, and where to go on; empty: that was all. */
function readAnswer(answer: string) {
  const all = answer.split('\n').slice(0, -1)
  const last = JSON.parse(all.at(-1) ?? '{}') as { next?: string }
  const users = last.next === undefined ? all : all.slice(0, -1)
  return { lines: users.map((line) => `${line}\n`).join(''), users: users.length, next: last.next ?? '' }
}
