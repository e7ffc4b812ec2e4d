import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { App } from './plugins/app.ts'

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

/** Closing a server waits for connections that have never sent anything; this does not wait for them for long. */
export function closeSilentConnections(app: App): void {
  const sockets = new Set<Socket>()
  const server: Server = app.server
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const hangUp = () => {
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  }
  app.addHook('preClose', async () => void setTimeout(hangUp, SILENCE_MS).unref())
}
