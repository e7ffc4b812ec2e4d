import { randomBytes } from 'node:crypto'
import { appendFile, stat, truncate } from 'node:fs/promises'
import { Refusal } from '../../process/refusal.ts'
import { insist, NotNow, PATIENCE_MS, type Place } from './client.ts'
import type { Desk } from './desk.ts'
import { inBatches, type Batch } from './import-batches.ts'
import { readLines } from './lines.ts'
import { openProgressBar, type ProgressBar } from './progress-bar.ts'
import { demandPlace, digestOf, forgetProgress, readProgress, saveProgress } from './progress-file.ts'
import { addResults, NO_TALLY, refusedIn, type Result, type Tally, wordsOf } from './tally.ts'

/** How far the import of a file has come. */
interface Progress {
  readonly digest: string
  readonly place: Place
  /** Ids are derived from this and the number of a line that has none: sent again, it has the same. */
  readonly seed: string
  /** The last line whose result is known, and where the next begins. */
  readonly number: number
  readonly end: number
  readonly tally: Tally
  /** So many bytes of the file of failures tell of lines until that one. */
  readonly failedBytes: number
}

/** A batch takes the service about so many ms, and has so many lines at least: whoever is killed has done one for nothing. */
const [BATCH_MS, FEWEST, MOST] = [2000, 20, 5000]

/** Makes the accounts of a file of JSON lines. Whoever was killed goes on after the last batch; what it had sent of the next is there. */
export async function importFile(desk: Desk, [path = '']: readonly string[]): Promise<void> {
  const size = await sizeOf(path)
  const [at, failures] = [`${path}.progress`, `${path}.failed`]
  let progress = await begin(path, at, desk.client.place)
  await cutTo(failures, progress.failedBytes)
  const bar = openProgressBar(desk, size, progress.end)
  const begun = { at: performance.now(), number: progress.number }
  if (progress.number > 0) bar.say(`Going on after line ${progress.number.toLocaleString('en')}.`)
  let most = FEWEST
  for await (const batch of inBatches(readLines(path, progress), progress.seed, () => most)) {
    const sentAt = performance.now()
    const results = await send(desk, bar, batch)
    most = fitting(batch.sent.length, performance.now() - sentAt)
    progress = await note(progress, batch, results, failures)
    await saveProgress(at, progress)
    const rate = ((progress.number - begun.number) * 1000) / (performance.now() - begun.at)
    bar.show(progress.end, `${Math.round(rate).toLocaleString('en')} lines/s, ${wordsOf(progress.tally)}`)
  }
  await forgetProgress(at)
  const refused = refusedIn(progress.tally)
  bar.say(`Done: ${wordsOf(progress.tally)}.`)
  if (refused > 0) throw new Refusal(`${failures} has each line that was refused, with its code.`, 3)
}

/** Takes away what was written of a batch that was not finished. */
async function cutTo(path: string, bytes: number): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0, // there is none yet
  )
  if (size > bytes) await truncate(path, bytes)
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(({ code }: NodeJS.ErrnoException) => {
    throw new Refusal(`${path} cannot be read: ${code}.`)
  })
  if (!found.isFile()) throw new Refusal(`${path} is no file: an import must be able to go on where it stopped.`)
  return found.size
}

/** Reads how far the import has come, or begins it: the seed is kept before anything is sent. */
async function begin(path: string, at: string, place: Place): Promise<Progress> {
  const digest = await digestOf(path)
  const known = await readProgress<Progress>(at)
  if (known !== null && known.digest !== digest)
    throw new Refusal(`${path} has changed since its import began. Remove ${at} to begin anew.`)
  if (known !== null) {
    demandPlace(at, known.place, place)
    return known
  }
  const seed = randomBytes(32).toString('base64url')
  const progress = { digest, place, seed, number: 0, end: 0, tally: NO_TALLY, failedBytes: 0 }
  await saveProgress(at, progress)
  return progress
}

/** Sends the lines of a batch, again until all are answered, and joins the answers to the numbers of the lines. */
async function send({ client }: Desk, bar: ProgressBar, { sent }: Batch): Promise<Result[]> {
  if (sent.length === 0) return []
  const body = sent.map(({ text }) => `${text}\n`).join('')
  const asked = { method: 'POST', path: '/admin/v1/users/import', type: 'application/x-ndjson', body } as const
  const results = await insist(
    async () => readResults(await client.ask(asked), sent.length),
    PATIENCE_MS.long,
    (reason) => bar.say(`Waiting: ${reason}`),
  )
  return results.map(({ id, status, code }, place) => ({ line: sent[place]?.number ?? 0, id, status, code }))
}

/** What the service says of a line that it could not do now. */
const LATER = new Set(['busy', 'store_unavailable', 'internal'])

function readResults(answer: string, count: number): Result[] {
  const lines = answer.split('\n').filter(Boolean)
  const results = lines.map((line) => JSON.parse(line) as Result)
  const later = results.find(({ code = '' }) => LATER.has(code))
  if (later !== undefined) throw new NotNow(`The service could not take each line: ${later.code}.`)
  if (results.length !== count) throw new NotNow('The service has not answered each line.')
  return results
}

/** How many lines to send next, after so many have taken so long. */
function fitting(lines: number, tookMs: number): number {
  const wanted = Math.round((lines * BATCH_MS) / Math.max(tookMs, 1))
  return Math.max(FEWEST, Math.min(wanted, lines * 2, MOST))
}

/** Writes down which lines of the batch were refused, and says how far the import has come. */
async function note(before: Progress, batch: Batch, answered: Result[], failures: string): Promise<Progress> {
  const results = [...batch.refused, ...answered].toSorted((one, other) => one.line - other.line)
  const lines = results
    .filter(({ status }) => status === 'refused')
    .map(({ line, id, code }) => `${JSON.stringify({ line, id, code })}\n`)
    .join('')
  if (lines !== '') await appendFile(failures, lines, { flush: true }) // it must be there when the progress counts it
  const failedBytes = before.failedBytes + Buffer.byteLength(lines)
  const { number, end } = batch.last
  return { ...before, number, end, tally: addResults(before.tally, results), failedBytes }
}
