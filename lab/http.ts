import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'

/** One request of a client. */
export interface Sent {
  readonly method: string
  readonly path: string
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

/** Its answer; `status` 0 is none: the connection failed or nothing came in time. */
export interface Got {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: any
}

/** Where a client sends from and to, on this machine. */
export interface Route {
  readonly from: string
  readonly port: number
  /** The tab of a real browser that sends it to where it came from, and keeps the cookies. */
  readonly page?: Page
}

const DEADLINE_MS = 10_000
const PATIENCE_MS = 30_000
const NOTHING: Got = { status: 0, headers: {}, body: null }

/**
 * The one rule of all clients: a lost connection and a gateway's 502 or 504 are tried once more, at once; an answer with
 * Retry-After is waited out and the same is sent again, for thirty seconds.
 */
export async function send(route: Route, sent: Sent, heard: (got: Got) => void = () => {}): Promise<Got> {
  const end = performance.now() + PATIENCE_MS
  for (let isAgain = false; ;) {
    const got = await sendOnce(route, sent)
    heard(got)
    const waitMs = Number(got.headers['retry-after'] ?? NaN) * 1000
    if (waitMs >= 0 && performance.now() + waitMs < end) await sleep(waitMs)
    else if (isAgain || ![0, 502, 503, 504].includes(got.status)) return got
    else isAgain = true
  }
}

/** Sends it, once. */
export function sendOnce(route: Route, { method, path, headers = {}, body }: Sent): Promise<Got> {
  const text = body === undefined ? undefined : JSON.stringify(body)
  const all = { ...headers, ...(text === undefined ? {} : { 'content-type': 'application/json' }) }
  const message = { method, path, headers: all, text }
  return route.page === undefined ? sendByNode(route, message) : sendByBrowser(route.page, message)
}

interface Message {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly text: string | undefined
}

/** The browser adds its cookies and its word for where the request comes from, and lets no script say otherwise. */
function sendByBrowser(page: Page, message: Message): Promise<Got> {
  const ask = async ({ method, path, headers, text, deadline }: Message & { deadline: number }) => {
    const init = { method, headers, body: text ?? null, signal: AbortSignal.timeout(deadline) }
    const answer = await fetch(path, init)
    return { status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text() }
  }
  return page.evaluate(ask, { ...message, deadline: DEADLINE_MS }).then(
    ({ status, headers, text }) => ({ status, headers, body: parse(headers['content-type'], text) }),
    () => NOTHING,
  )
}

function sendByNode(route: Route, { method, path, headers, text }: Message): Promise<Got> {
  const length = text === undefined ? {} : { 'content-length': `${Buffer.byteLength(text)}` }
  return new Promise((resolve) => {
    const asked = request(
      {
        host: '127.0.0.1',
        port: route.port,
        agent: agentOf(route.from),
        method,
        path,
        headers: { ...length, ...headers },
        timeout: DEADLINE_MS,
      },
      (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('error', () => resolve(NOTHING))
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            body: parse(answer.headers['content-type'], Buffer.concat(chunks).toString()),
          }),
        )
      },
    )
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolve(NOTHING))
    asked.end(text)
  })
}

function parse(type: string | undefined, text: string): unknown {
  return type?.includes('json') === true ? JSON.parse(text) : text
}

const agents = new Map<string, Agent>()

/** Every network a client is in keeps its own connections. */
function agentOf(from: string): Agent {
  const agent = agents.get(from) ?? new Agent({ keepAlive: true, localAddress: from, maxFreeSockets: 8, timeout: 4000 })
  agents.set(from, agent)
  return agent
}
