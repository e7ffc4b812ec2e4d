import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'

/** A line of a file, without its end. */
export interface Line {
  /** From 1. */
  readonly number: number
  readonly text: string
  /** Why it is none: it is longer than MAX_LINE_BYTES, or no UTF-8. */
  readonly fault: 'too_large' | 'bad_request' | null
  /** Where the next line begins. */
  readonly end: number
}

/** The most bytes that a body of lines may have. */
export const MAX_BODY_BYTES = 256 * 1024
/** A line has an id added, and its end. */
const MAX_LINE_BYTES = MAX_BODY_BYTES - 64

const NEWLINE = 0x0a

/** Reads the lines of a file from where `after`, the last one, has ended. No more than one of them is in memory. */
export async function* readLines(path: string, after: Pick<Line, 'number' | 'end'>): AsyncGenerator<Line> {
  let { number, end } = after
  let parts: Buffer[] = []
  let length = 0
  const take = (part: Buffer) => {
    length += part.length
    if (length <= MAX_LINE_BYTES) parts.push(part)
    else parts = []
  }
  const finish = (ending: number): Line => {
    number += 1
    end += length + ending
    const bytes = Buffer.concat(parts)
    const fault = length > MAX_LINE_BYTES ? 'too_large' : isUtf8(bytes) ? null : 'bad_request'
    parts = []
    length = 0
    return { number, text: bytes.toString('utf8'), fault, end }
  }
  for await (const chunk of createReadStream(path, { start: end }) as AsyncIterable<Buffer>) {
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      take(chunk.subarray(from, at))
      from = at + 1
      yield finish(1)
    }
    take(chunk.subarray(from))
  }
  if (length > 0) yield finish(0)
}
