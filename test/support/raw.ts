import { once } from 'node:events'
import { connect } from 'node:net'

/** What came back until the other side closed, or until it was late. */
export type Heard = { readonly text: string; readonly ms: number; readonly isClosed: boolean }

/** `drip` is sent again and again after the rest. */
export type RawOptions = { readonly within?: number; readonly drip?: string }

/** Sends bytes to a port of 127.0.0.1 on a connection of their own, then goes on dripping; resolves when the server has closed, or at `within` ms. */
export async function sendRaw(
  port: number,
  parts: readonly (string | Buffer)[],
  { within = 5000, drip = '' }: RawOptions = {},
): Promise<Heard> {
  const socket = connect(port, '127.0.0.1')
  const began = performance.now()
  let text = ''
  socket.on('data', (chunk) => (text += chunk.toString('latin1')))
  socket.on('error', () => {}) // a reset while we write is a close
  for (const part of parts) socket.write(part)
  const dripping = setInterval(() => drip !== '' && socket.writable && socket.write(drip), 300)
  const timer = setTimeout(() => socket.destroy(new Error('late')), within)
  let isClosed = true
  socket.once('error', (error) => (isClosed = error.message !== 'late'))
  await once(socket, 'close').catch(() => {})
  clearInterval(dripping)
  clearTimeout(timer)
  return { text, ms: performance.now() - began, isClosed }
}

/** The answers in a stream of them: the status of each, and the body of the last. */
export function statusesOf({ text }: Heard): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
}

/** The body of the last of them. */
export function problemIn({ text }: Heard): any {
  return JSON.parse(text.slice(text.lastIndexOf('\r\n\r\n') + 4) || 'null')
}
