import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canListen } from '../../examples/demo/can-listen.ts'
import { eventually } from './settle.ts'

// Below the kernel's ephemeral range, so that no outgoing connection takes a port while its server is down,
// and with room for a Redis cluster bus at port + 10000.
const FIRST = 10_240
const COUNT = 9_700
const SLICE = 100

// Test files run side by side: each process begins in a slice of its own, and leaves word of each port it gives out.
let next = (process.pid * SLICE) % COUNT
const given = new Set<number>()
process.on('exit', () => given.forEach((port) => rmSync(claimOf(port), { force: true })))

/** A TCP port of 127.0.0.1 that nobody listens on and that no test process has been given before; the first of so many in a row. */
export async function freePort(inRow = 1): Promise<number> {
  for (let tries = 0; tries < COUNT; tries += inRow) {
    const first = FIRST + (next % COUNT)
    next += inRow
    const row = Array.from({ length: inRow }, (_, place) => first + place)
    if (row.every(claim) && (await Promise.all(row.map(canListen))).every(Boolean)) return first
  }
  throw new Error(`all ${COUNT} test ports have been given out`)
}

/** Resolves when this port, which somebody else has chosen, is ours among test processes. */
export async function claimPort(port: number, within: number): Promise<void> {
  await eventually(() => claim(port), { within })
}

function claimOf(port: number): string {
  return join(tmpdir(), `latchkey-port-${port}`)
}

/** Whether the port is ours now: one of many wins; what an ended process has left behind is taken over. */
function claim(port: number): boolean {
  try {
    writeFileSync(claimOf(port), `${process.pid}`, { flag: 'wx' })
    given.add(port)
    return true
  } catch {
    if (!given.has(port) && !isClaimedNow(port)) rmSync(claimOf(port), { force: true }) // for the next turn
    return false
  }
}

function isClaimedNow(port: number): boolean {
  try {
    process.kill(Number(readFileSync(claimOf(port), 'utf8')), 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
