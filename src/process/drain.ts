import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import type { App } from '../http/typed-app.ts'

/** How a process leaves: it says so first, goes on serving while balancers notice, finishes what it has begun, and closes. */
export interface Drain {
  readonly isDraining: () => boolean
  /** Resolves when every answer is out and every connection closed; at most once. */
  readonly drain: (app: App, noticeMs: number) => Promise<void>
}

/** What is still running this long after the notice is cut off. */
const PATIENCE_MS = 5000

/** Makes the switch that the app asks (`isDraining`) and the process turns. */
export function makeDrain(): Drain {
  let isDraining = false
  return {
    isDraining: () => isDraining,
    async drain(app, noticeMs) {
      isDraining = true
      await wait(noticeMs)
      const closed = app.close()
      const patience = setTimeout(() => app.server.closeAllConnections(), PATIENCE_MS).unref()
      await closed
      clearTimeout(patience)
    },
  }
}

/** Who has just connected is about to ask. */
const SILENCE_MS = 1000

/** As many may wait in the kernel for Node to let them in (its own `backlog`). */
const QUEUE_LENGTH = 511

/**
 * Who has connected before the server closes is served. Closing alone would reset whom the kernel has let in and Node not yet,
 * and wait without end for who never says anything.
 */
export function closeGently(app: App): void {
  const open = new Set<Socket>()
  const server: Server = app.server
  let met = 0
  server.on('connection', (socket) => {
    met += 1
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  // Node lets in one connection a turn of its loop: a turn without any has found the queue empty.
  const letIn = async () => {
    for (let turn = 0, known = -1; known !== met && turn < QUEUE_LENGTH; turn += 1) {
      known = met
      await nextTurn()
    }
  }
  const hangUp = () => {
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
  }
  app.addHook('preClose', async () => {
    if (!server.listening) return
    server.closeIdleConnections() // many take a while, in which nobody is let in
    await letIn()
    server.close() // in the same turn: Fastify does so a little later
    setTimeout(() => setImmediate(hangUp), SILENCE_MS).unref() // what they have said is read first
  })
}
