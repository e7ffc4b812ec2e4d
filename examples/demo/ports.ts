import { canListen } from './can-listen.ts'

const LAST = 65_535

/** The port that PORT asks for (0: any that is free), and as many free ones above it; rejects with the reason where there are none. */
export async function choosePorts(text: string, count: number): Promise<{ port: number; above: readonly number[] }> {
  const port = readPort(text) || (await freePortFrom(8080))
  const above: number[] = []
  while (above.length < count) above.push(await freePortFrom((above.at(-1) ?? port) + 1))
  return { port, above }
}

function readPort(text: string): number {
  const port = /^\d{1,9}$/.test(text) ? Number(text) : NaN
  if (port <= LAST) return port
  throw new Error(`PORT must be a whole number from 0 to ${LAST}`)
}

async function freePortFrom(port: number): Promise<number> {
  for (let next = port; next <= LAST; next++) if (await canListen(next)) return next
  throw new Error(`no port is free from ${port} on: choose a lower PORT`)
}
