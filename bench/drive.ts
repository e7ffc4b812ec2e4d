import { connect } from 'node:net'

// The load. A client of our own: one request at a time on each connection, bytes made beforehand, hardly any parsing,
// so that the one core it shares with Redis is never what limits a server.

/** One request as it goes over the wire, and what is to be done with the body of its answer; null: it failed. */
export interface Exchange {
  readonly bytes: string
  /** The status that makes it the first of two, which are one answer: the next exchange is the other. */
  readonly half?: number
  readonly done?: (body: string | null) => void
}

/** What came of a stretch of load. */
export interface Tally {
  readonly answers: number
  readonly failures: number
  readonly ms: number
}

/** Connections that stay open between stretches of load. */
export interface Load {
  /** Keeps every connection busy for so long, one request after the other; resolves when each has its last answer. */
  readonly run: (forMs: number) => Promise<Tally>
  readonly close: () => void
}

/** Makes a request; `body` is sent as JSON. */
export function exchange(
  line: string,
  { headers = {}, body, half }: { headers?: Record<string, string>; body?: object; half?: number },
  done?: Exchange['done'],
): Exchange {
  const text = body === undefined ? '' : JSON.stringify(body)
  const type = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': `${text.length}` }
  const fields = Object.entries({ host: 'localhost', ...type, ...headers }).map(([name, value]) => `${name}: ${value}`)
  const bytes = `${[`${line} HTTP/1.1`, ...fields].join('\r\n')}\r\n\r\n${text}`
  return { bytes, ...(half !== undefined && { half }), ...(done && { done }) }
}

/** Takes the exchanges in turn, for ever. */
export function inTurn(exchanges: readonly Exchange[]): () => Exchange {
  let place = 0
  return () => exchanges[place++ % exchanges.length] as Exchange
}

/** Opens connections to a server, which then ask for `next`. */
export async function openLoad(port: number, connections: number, next: () => Exchange): Promise<Load> {
  let lines = await Promise.all(Array.from({ length: connections }, () => openLine(port)))
  return {
    async run(forMs) {
      lines = await Promise.all(lines.map(async (line) => (line.isOpen() ? line : openLine(port)))) // servers close idle ones
      const from = performance.now()
      let answers = 0
      let failures = 0

      function keepBusy(line: Line, resolve: () => void): void {
        const { bytes, half, done } = next()
        line.send(bytes, (status, body) => {
          const isHalf = status === half
          if (!isHalf) answers += 1
          if (!isHalf && !isFine(status)) failures += 1
          done?.(isHalf || isFine(status) ? body : null)
          if (status === BROKEN || (!isHalf && performance.now() - from >= forMs)) resolve()
          else keepBusy(line, resolve)
        })
      }

      await Promise.all(lines.map((line) => new Promise<void>((resolve) => keepBusy(line, resolve))))
      return { answers, failures, ms: performance.now() - from }
    },
    close() {
      for (const line of lines) line.close()
    },
  }
}

/** Latencies in ms of requests sent at a fixed rate, each from the moment it was due. */
export interface Paced {
  readonly latencies: readonly number[]
  readonly failures: number
}

/** Sends at a fixed rate, whether or not earlier requests have been answered, as many users would. */
export async function pace(
  port: number,
  { perSecond, forMs, next }: { perSecond: number; forMs: number; next: () => Exchange },
): Promise<Paced> {
  const latencies: number[] = []
  const idle: Line[] = []
  let failures = 0
  let sent = 0

  async function sendDue(dueAt: number): Promise<void> {
    const line = idle.pop() ?? (await openLine(port))
    await new Promise<void>((resolve) =>
      line.send(next().bytes, (status) => {
        latencies.push(performance.now() - dueAt)
        if (!isFine(status)) failures += 1
        idle.push(line)
        resolve()
      }),
    )
  }

  const startAt = performance.now()
  const running: Promise<void>[] = []
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = (Math.min(performance.now() - startAt, forMs) * perSecond) / 1000
      for (; sent < due; sent += 1) running.push(sendDue(startAt + (sent * 1000) / perSecond))
      if (performance.now() - startAt < forMs) return
      clearInterval(timer)
      resolve()
    }, 1)
  })
  await Promise.all(running)
  for (const line of idle) line.close()
  return { latencies, failures }
}

/** The status of an answer that never came. */
const BROKEN = 0

function isFine(status: number): boolean {
  return status >= 200 && status < 300
}

interface Line {
  readonly isOpen: () => boolean
  /** One at a time. */
  readonly send: (bytes: string, answered: (status: number, body: string) => void) => void
  readonly close: () => void
}

/** A keep-alive connection. Its text is latin1, in which a character is a byte. */
async function openLine(port: number): Promise<Line> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('latin1')
  let received = ''
  let waiting: ((status: number, body: string) => void) | undefined

  function answer(status: number, body: string): void {
    const answered = waiting
    waiting = undefined
    received = ''
    answered?.(status, body)
  }

  socket.on('data', (chunk: string) => {
    received += chunk
    const head = received.indexOf('\r\n\r\n') + 4
    if (head < 4) return
    const status = Number(received.slice(9, 12))
    const length = status === 204 ? 0 : Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1] ?? 0)
    if (received.length >= head + length) answer(status, length === 0 ? '' : received.slice(head))
  })
  socket.on('error', () => {}) // 'close' follows
  socket.on('close', () => answer(BROKEN, ''))
  await new Promise<void>((resolve) => socket.once('connect', resolve).once('close', resolve))
  return {
    isOpen: () => socket.writable,
    send(bytes, answered) {
      waiting = answered
      if (socket.destroyed) answer(BROKEN, '')
      else socket.write(bytes, 'latin1')
    },
    close: () => void socket.destroy(),
  }
}
