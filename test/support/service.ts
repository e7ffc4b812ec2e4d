import { fileURLToPath } from 'node:url'
import { startChild } from './child.ts'
import { freePort } from './free-port.ts'
import { isDear } from './env.ts'
import { eventually } from './settle.ts'

/** One running instance of the service, in a process of its own. */
export type Service = {
  readonly url: string
  readonly port: number
  readonly pid: number | undefined
  /** The exit code, null when a signal ended it. */
  readonly exited: Promise<number | null>
  /** Everything it has printed, by line; a line may come a moment after the answer it tells of: use `eventually`. */
  readonly lines: () => readonly string[]
  /** The log lines of this security event, oldest first. */
  readonly events: (name: string) => readonly LogLine[]
  readonly fetch: (path: string, init?: RequestInit) => Promise<Response>
  /** One JSON request; the body of the answer is parsed when it is JSON, else text. */
  readonly call: <Body = any>(method: string, path: string, request?: CallRequest) => Promise<Answer<Body>>
  readonly freeze: () => void
  readonly thaw: () => void
  /** Signals it, SIGTERM unless told, and resolves to its exit code. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>
  /** SIGKILL; resolves when it is gone. */
  readonly kill: () => Promise<void>
}

/** One parsed line of the log. */
export type LogLine = Readonly<Record<string, unknown>>
/** `token` goes into the Authorization header, as Bearer. */
export type CallRequest = {
  readonly body?: unknown
  readonly headers?: Record<string, string>
  readonly token?: string
}
/** `headers` keeps each Set-Cookie apart: `getSetCookie()`. */
export type Answer<Body> = { readonly status: number; readonly headers: Headers; readonly body: Body }

/** How to start an instance. */
export type ServiceOptions = {
  /** What to run: unless told, main where `env` has ARGON2_*, and else an instance whose hashes cost next to nothing. */
  readonly command?: readonly string[]
  /** What to wait for: 200 of /livez, or, unless told, of /readyz. */
  readonly until?: 'live' | 'ready'
}

const program = (path: string) => [process.execPath, fileURLToPath(new URL(path, import.meta.url))]
const MAIN = program('../../../dist/main.js')
const CHEAP = program('cheap-instance.js')

/** Starts an instance with this environment, PATH and HOME only; rejects with its exit code and last output when it is not up within 30 s. */
export async function startService(env: Record<string, string>, options: ServiceOptions = {}): Promise<Service> {
  const port = Number(env['PORT'] ?? (await freePort()))
  const url = `http://127.0.0.1:${port}`
  const { PATH, HOME } = process.env
  const child = startChild(options.command ?? (isDear(env) ? MAIN : CHEAP), {
    PATH,
    HOME,
    HOST: '127.0.0.1',
    PORT: `${port}`,
    ...env,
  })
  const request = (path: string, init?: RequestInit) => fetch(url + path, init)

  const call = callAt(url)

  const probe = options.until === 'live' ? '/livez' : '/readyz'
  const isUp = async () => (await call('GET', probe)).status === 200
  await eventually(() => child.hasExited() || isUp(), { within: 30_000 }).catch(() => child.end('SIGKILL'))
  if (child.hasExited()) {
    const reason = `exit code ${await child.exited} before ${probe} was 200; the last output:`
    throw new Error([reason, ...child.lines().slice(-20)].join('\n'))
  }

  return {
    url,
    port,
    pid: child.pid,
    exited: child.exited,
    lines: child.lines,
    events: (name) => parseLog(child.lines()).filter(({ event }) => event === name),
    fetch: request,
    call,
    freeze: child.freeze,
    thaw: child.thaw,
    stop: (signal = 'SIGTERM') => child.end(signal),
    async kill() {
      await child.end('SIGKILL')
    },
  }
}

/** Sends JSON requests to whatever listens there: an instance, or a balancer in front of some. */
export function callAt(url: string): Service['call'] {
  return async (method, path, sent) => readAnswer(await fetch(url + path, toInit(method, sent)))
}

function toInit(method: string, { body, headers, token }: CallRequest = {}): RequestInit {
  const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const sent = { method, headers: { ...type, ...authorization, ...headers } }
  return body === undefined ? sent : { ...sent, body: JSON.stringify(body) }
}

async function readAnswer<Body>(response: Response): Promise<Answer<Body>> {
  const { status, headers } = response
  const text = await response.text()
  const isJson = /^application\/(\S+\+)?json\b/.test(headers.get('content-type') ?? '')
  return { status, headers, body: isJson ? JSON.parse(text) : text }
}

function parseLog(lines: readonly string[]): LogLine[] {
  return lines.filter((line) => line.startsWith('{"')).map((line) => JSON.parse(line))
}
