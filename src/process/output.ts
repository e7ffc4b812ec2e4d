import { once } from 'node:events'
import { constants, fstatSync, openSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import sonicBoom from 'sonic-boom'

/** Standard output or error. It may be full, gone, or read by nobody; writing a line never waits for it. */
export interface Output {
  /** Takes a line, to be written in the background; if MAX_BYTES wait already, the line is lost, and counted. Never throws. */
  readonly write: (line: string) => void
  /** Calls `tell` with the number of lines that were lost, once lines can be written again. */
  readonly onRoom: (tell: (lost: number) => void) => void
  /** Resolves when every line is written or cannot be written, after PATIENCE_MS at the latest. */
  readonly flush: () => Promise<void>
}

const MAX_BYTES = 1024 * 1024
/** After how many ms a failed write is tried again. */
const RETRY_MS = 250
const PATIENCE_MS = 500

/** Opens standard output or error for lines. */
export function openOutput(name: 'stdout' | 'stderr'): Output {
  const out = new sonicBoom.SonicBoom({ fd: openWithoutWaiting(name), minLength: 1, maxLength: MAX_BYTES })
  let lost = 0
  let retry: NodeJS.Timeout | undefined
  const tryAgain = () => {
    retry = undefined
    out.flush()
  }
  out.on('drop', () => (lost += 1))
  out.on('error', () => (retry ??= setTimeout(tryAgain, RETRY_MS).unref()))
  return {
    write: (line) => void out.write(line),
    onRoom: (tell) =>
      void out.on('drain', () => {
        const told = lost
        lost = 0
        if (told > 0) tell(told)
      }),
    async flush() {
      const settled = Promise.race([once(out, 'drain'), wait(PATIENCE_MS)])
      out.flush()
      await settled.catch(() => {})
    },
  }
}

/**
 * A descriptor on which a write fails if it would have to wait: a waiting write holds up a thread, and so the end of the process.
 * The terminal or pipe is opened anew, so that the mode is not set for other processes that share it. A file is not opened anew:
 * it has no such mode, and our lines must come behind those of others who write to it. A socket, or what another user owns, cannot
 * be opened: for these Node sets the mode itself when `process.stdout` or `process.stderr` is first used.
 */
function openWithoutWaiting(name: 'stdout' | 'stderr'): number {
  const { fd } = process[name]
  if (fstatSync(fd).isFile()) return fd
  try {
    return openSync(`/dev/${name}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return fd
  }
}
