import { createHmac } from 'node:crypto'
import { type Line, MAX_BODY_BYTES } from './lines.ts'
import type { Result } from './tally.ts'

/** Lines that are sent together. */
export interface Batch {
  readonly sent: readonly { readonly number: number; readonly text: string }[]
  /** Those that are not even sent. */
  readonly refused: readonly Result[]
  readonly last: Pick<Line, 'number' | 'end'>
}

/** Joins lines to batches of at most `most()` lines and MAX_BODY_BYTES. Blank lines are passed over. */
export async function* inBatches(lines: AsyncIterable<Line>, seed: string, most: () => number): AsyncGenerator<Batch> {
  let sent: { number: number; text: string }[] = []
  let refused: Result[] = []
  let [bytes, last] = [0, { number: 0, end: 0 }]
  for await (const line of lines) {
    const { number, end } = line
    const judged = judge(line, seed)
    const added = typeof judged === 'string' ? Buffer.byteLength(judged) + 1 : 0
    if (bytes + added > MAX_BODY_BYTES || sent.length + refused.length >= most()) {
      yield { sent, refused, last }
      ;[sent, refused, bytes] = [[], [], 0]
    }
    if (typeof judged === 'string') sent.push({ number, text: judged })
    else if (judged !== null) refused.push(judged)
    bytes += added
    last = { number, end }
  }
  if (last.number > 0) yield { sent, refused, last }
}

/** The text to send, with an id; why it is not sent; or null of a blank line. */
function judge({ number, text, fault }: Line, seed: string): string | Result | null {
  if (fault !== null) return { line: number, status: 'refused', code: fault }
  const trimmed = text.replace(/^\uFEFF/, '').trim()
  if (trimmed === '') return null
  const found = parse(trimmed)
  if (found === null) return { line: number, status: 'refused', code: 'bad_request' }
  if (Object.hasOwn(found, 'id')) return trimmed
  // As text: a number of the line would change if it were written anew.
  return `{"id":"${idOf(seed, number)}",${trimmed.slice(1)}`
}

/** The object of the line; null: it is none, or an empty one. */
function parse(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject && Object.keys(value).length > 0 ? value : null
  } catch {
    return null
  }
}

/** An id that nobody can tell from a random one, always the same for one line of one import. */
function idOf(seed: string, number: number): string {
  return createHmac('sha256', Buffer.from(seed, 'base64url'))
    .update(`${number}`)
    .digest()
    .subarray(0, 16)
    .toString('base64url')
}
