/** What is used of Web Locks (`navigator.locks`). */
export interface Locks {
  request<T>(name: string, options: { readonly signal: AbortSignal }, work: () => Promise<T>): Promise<T>
}

/** Runs `work` when it is its turn. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>

/** Who holds a lock for longer is frozen, or has a bad network. */
const PATIENCE_MS = 5000

/** Turns within a client: one after the other. */
export function makeQueue(): InTurn {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }
}

/** Turns among all tabs. Without locks none waits for another; with them, none for long. */
export function makeAlone(locks: Locks | false | undefined, name: string): InTurn {
  if (!locks) return (work) => work()
  return async (work) => {
    let running: ReturnType<typeof work> | undefined
    const start = () => (running = work())
    await locks.request(name, { signal: after(PATIENCE_MS).signal }, start).catch(() => {}) // `running` says how it went
    return running ?? work()
  }
}

/** Aborts then, unless somebody does before; AbortSignal.timeout is not everywhere. */
export function after(ms: number): AbortController {
  const controller = new AbortController()
  const timer: unknown = setTimeout(() => controller.abort(), ms)
  ;(timer as { unref?(): void }).unref?.() // keeps no process of Node alive
  return controller
}
