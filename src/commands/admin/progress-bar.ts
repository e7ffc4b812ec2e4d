import type { Desk } from './desk.ts'

/** How far a work has come, told to whoever waits. */
export interface ProgressBar {
  /** `done` of `all` bytes; `words` say what has been done. */
  readonly show: (done: number, words: string) => void
  /** Says something, on a line of its own. */
  readonly say: (words: string) => void
}

const WIDTH = 24
/** A terminal is told so often, in ms, and a log so seldom. */
const [TERMINAL_MS, LOG_MS] = [200, 10_000]

/** Makes it: one line that is written anew on a terminal, else a line now and then. `all` is in bytes, `from` is done before. */
export function openProgressBar({ err, isWatched }: Desk, all: number, from: number): ProgressBar {
  const begunAt = performance.now()
  let toldAt = -Infinity

  function lineOf(done: number, words: string): string {
    const share = all === 0 ? 1 : done / all
    const passedMs = performance.now() - begunAt
    const leftMs = done === from ? Infinity : ((all - done) * passedMs) / (done - from)
    const bar = '#'.repeat(Math.floor(share * WIDTH)).padEnd(WIDTH, '.')
    const left = Number.isFinite(leftMs) ? `, ${durationOf(leftMs)} left` : ''
    return `${isWatched ? `[${bar}] ` : ''}${Math.floor(share * 100)} %${left}: ${words}`
  }

  return {
    show(done, words) {
      if (performance.now() - toldAt < (isWatched ? TERMINAL_MS : LOG_MS)) return
      toldAt = performance.now()
      err(isWatched ? `\r${lineOf(done, words)}\u001B[K` : `${lineOf(done, words)}\n`)
    },
    say: (words) => err(isWatched ? `\r${words}\u001B[K\n` : `${words}\n`),
  }
}

/** A duration like `2:05` or `1:02:05`. */
function durationOf(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}

function two(digits: number): string {
  return `${digits}`.padStart(2, '0')
}
