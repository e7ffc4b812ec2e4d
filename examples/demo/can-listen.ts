import { once } from 'node:events'
import { createServer } from 'node:net'

/** Whether nobody listens on that port of 127.0.0.1. */
export async function canListen(port: number): Promise<boolean> {
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
