import { spawn } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** A process of a test; it never outlives the test process, not even when frozen. */
export type Child = {
  readonly pid: number | undefined
  /** The exit code, null when a signal ended it; settles after its last output. */
  readonly exited: Promise<number | null>
  readonly hasExited: () => boolean
  /** Everything printed so far on stdout and stderr, by line. */
  readonly lines: () => readonly string[]
  /** Resolves when a line contains `text`; rejects with the last output when it exits or half a minute passes first. */
  readonly printed: (text: string) => Promise<void>
  readonly freeze: () => void
  readonly thaw: () => void
  /** Signals and thaws it, kills it if it is still there 15 s later, and resolves to its exit code. */
  readonly end: (signal: NodeJS.Signals) => Promise<number | null>
}

/** Longer than any start takes on a machine that has much else to do. */
const PATIENCE_MS = 30_000

const killers = new Set<() => void>()
process.on('exit', () => killers.forEach((kill) => kill()))

// 'exit' is not emitted when a signal ends the test process: there the kernel kills for us, where util-linux is at hand.
const tether = existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL'] : []

// tap puts hooks of its own into every process that a test starts, signal handlers among them: not into ours.
const bare = ['/usr/bin/env', '-u', 'NODE_OPTIONS']

/** Starts a process with exactly this environment. */
export function startChild(command: readonly string[], env: NodeJS.ProcessEnv): Child {
  const [file = '', ...args] = [...tether, ...bare, ...command]
  const child = spawn(file, args, { env, detached: false, stdio: ['ignore', 'pipe', 'pipe'] })
  const kill = () => void child.kill('SIGKILL')
  killers.add(kill)

  const lines: string[] = []
  const heard = new EventEmitter().setMaxListeners(0)
  const hear = (line: string) => {
    lines.push(line)
    heard.emit('line', line)
  }
  child.on('error', (error) => hear(error.message)) // the file is missing: 'close' follows
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', hear)

  let isOver = false
  const exited = new Promise<number | null>((resolve) => {
    child.on('close', (code, signal) => {
      isOver = true
      if (signal !== null) lines.push(`ended by ${signal}`)
      killers.delete(kill)
      resolve(code)
    })
  })
  const fail = (reason: string) => {
    throw new Error([`${command.join(' ')}: ${reason}`, ...lines.slice(-20)].join('\n'))
  }

  return {
    pid: child.pid,
    exited,
    hasExited: () => isOver,
    lines: () => lines,
    async printed(text) {
      if (lines.some((line) => line.includes(text))) return
      await Promise.race([
        new Promise<void>((resolve) => heard.on('line', (line: string) => line.includes(text) && resolve())),
        exited.then((code) => fail(`exited with ${code} before it printed "${text}"`)),
        sleep(PATIENCE_MS, undefined, { ref: false }).then(() =>
          fail(`did not print "${text}" within ${PATIENCE_MS} ms`),
        ),
      ])
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async end(signal) {
      child.kill(signal)
      child.kill('SIGCONT')
      const timer = setTimeout(kill, 15_000)
      return exited.finally(() => clearTimeout(timer))
    },
  }
}
