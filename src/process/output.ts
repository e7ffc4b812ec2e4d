import { once } from 'node:events'
import { constants, fstatSync, openSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import sonicBoom from 'sonic-boom'

/** Standard output or error, which may be full, gone or read by nobody: no line keeps anybody waiting. */
export interface Output {
  /** Takes a line, to be written in the background; while MAX_BYTES wait to be written it is lost, and counted. Never throws. */
  readonly write: (line: string) => void
  /** Tells how many lines were lost, once lines can be written again. */
  readonly onRoom: (tell: (lost: number) => void) => void
  /** Resolves when every line is written or cannot be, after PATIENCE_MS at the latest. */
  readonly flush: () => Promise<void>
}

const MAX_BYTES = 1024 * 1024
/** How soon what could not be written is tried again. */
const RETRY_MS = 250
const PATIENCE_MS = 500

/** Opens it for lines. */
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
 * A descriptor on which a write fails rather than waits: one that waits holds up a thread, and so the end of the process.
 * Opened anew it is so for us only. A file knows no such mode, and must be written where the others who write to it have come to;
 * a socket, or what another user owns, cannot be opened: these Node makes such when it is first asked for them.
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
