import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import type { App } from '../http/typed-app.ts'

/** How a process stops: it says so first, goes on serving while balancers notice, finishes the requests it has, and closes. */
export interface Drain {
  /** Whether the process has begun to stop. */
  readonly isDraining: () => boolean
  /** Stops the app, and resolves when every answer is sent and every connection closed. Call it once. */
  readonly drain: (app: App, noticeMs: number) => Promise<void>
}

/** Connections that are still open this many ms after the notice are cut. */
const PATIENCE_MS = 5000

/** Makes the switch that the process turns (`drain`) and the app asks (`isDraining`). */
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

/** A client that has just connected may be about to send: it has this many ms. */
const SILENCE_MS = 1000

/** As many connections may wait in the kernel for Node to accept them: the default `backlog` of Node. */
const QUEUE_LENGTH = 511

/**
 * Makes the app serve, when it closes, every client that has connected before. By itself Node would reset the connections that
 * the kernel has accepted and Node has not, and would wait without end for a client that never sends anything.
 */
export function closeGently(app: App): void {
  const open = new Set<Socket>()
  const server: Server = app.server
  let accepted = 0
  server.on('connection', (socket) => {
    accepted += 1
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  // Node accepts one connection in each turn of its loop: after a turn without one the queue is empty.
  const acceptWaiting = async () => {
    for (let turn = 0, known = -1; known !== accepted && turn < QUEUE_LENGTH; turn += 1) {
      known = accepted
      await nextTurn()
    }
  }
  // To Node 26 a connection that has sent nothing yet is idle, and `server.close` closes the idle ones.
  const closeIdle = server.closeIdleConnections.bind(server)
  server.closeIdleConnections = () => {
    if (![...open].some(isSilent)) closeIdle()
  }
  const closeSilent = () => {
    for (const socket of open) if (isSilent(socket)) socket.destroy()
    closeIdle()
  }
  app.addHook('preClose', async () => {
    if (!server.listening) return
    server.closeIdleConnections() // first: closing many takes a while, in which none is accepted
    await acceptWaiting()
    server.close() // in the same turn: Fastify does so a little later
    setTimeout(() => setImmediate(closeSilent), SILENCE_MS).unref() // what has arrived is read first
  })
}

function isSilent(socket: Socket): boolean {
  return socket.bytesRead === 0
}
