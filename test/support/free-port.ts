import { once } from 'node:events'
import { createServer } from 'node:net'

// Below the kernel's ephemeral range, so that no outgoing connection takes a port while its server is down,
// and with room for a Redis cluster bus at port + 10000.
const FIRST = 10_240
const COUNT = 9_700
const SLICE = 100

// Test files run side by side: each process begins in a slice of its own.
let next = (process.pid * SLICE) % COUNT
const given = new Set<number>()

/** A TCP port of 127.0.0.1 that nobody listens on and that this process has not been given before. */
export async function freePort(): Promise<number> {
  while (given.size < COUNT) {
    const port = FIRST + (next++ % COUNT)
    if (given.has(port)) continue
    given.add(port)
    if (await canListen(port)) return port
  }
  throw new Error(`all ${COUNT} test ports have been given out`)
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
