import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** One instance of the service, in a process of its own, that can be killed and started again. */
export type Instance = {
  readonly name: string
  readonly port: number
  readonly isUp: () => boolean
  /** Resolves when it answers; rejects when it ends before that. */
  readonly start: () => Promise<void>
  /** Resolves when it is gone. */
  readonly end: (signal: NodeJS.Signals) => Promise<void>
}

const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))
const LEASH = new URL('leash.js', import.meta.url).href

/** Describes an instance; `start` starts it. */
export function makeInstance(name: string, port: number, env: NodeJS.ProcessEnv): Instance {
  let child: ChildProcess | null = null
  let isUp = false

  function launch(): ChildProcess {
    const started = spawn(process.execPath, ['--import', LEASH, MAIN], {
      env: { ...env, HOST: '127.0.0.1', PORT: `${port}` },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    started.once('exit', () => {
      child = null
      isUp = false
    })
    return started
  }

  return {
    name,
    port,
    isUp: () => isUp,
    async start() {
      child ??= launch()
      while (!(await isReady(port))) {
        if (child === null) throw new Error(`instance ${name} ended before it was ready`)
        await wait(50)
      }
      isUp = child !== null
    },
    async end(signal) {
      const ending = child
      if (ending === null) return
      const exited = once(ending, 'exit')
      ending.kill(signal)
      await exited
    },
  }
}

function isReady(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  )
}
