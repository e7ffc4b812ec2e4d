import { type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { Problem, type ProblemCode, problemDocument, statusOf } from '../problems.ts'
import type { SecurityHeaders } from './response-headers.ts'

/** How long a client may take, in ms. */
export interface Patience {
  /** For the bytes of a request, from the first to the last. */
  readonly requestMs: number
  /** From one request of a connection to the next. */
  readonly idleMs: number
}

/** `idleMs` is more than the minute for which balancers keep a connection they do not use. */
export const PATIENCE: Patience = { requestMs: 10_000, idleMs: 65_000 }

/**
 * Frees a connection on which no request has begun for as long as an honest client may be silent. That bounds what Node's own
 * timeouts do not: who takes no answer, asks for many and takes none, sends blank lines, or leaves its end open for ever.
 */
export function boundConnections(server: Server, { requestMs, idleMs }: Patience): void {
  const deadlines = new WeakMap<Socket, NodeJS.Timeout>()
  server.on('connection', (socket) => {
    const deadline = setTimeout(() => socket.destroy(), idleMs + requestMs).unref()
    deadlines.set(socket, deadline)
    socket.once('close', () => clearTimeout(deadline))
  })
  server.on('request', ({ socket }) => deadlines.get(socket)?.refresh())
}

/**
 * Asks for a client's address at once: Node asks the system when it is first wanted, and there a connection that was reset has
 * none.
 */
export function rememberAddresses(server: Server): void {
  server.on('connection', (socket) => void socket.remoteAddress)
}

/** How long a client that we have hung up on may take to read why and to hang up, too. */
const FAREWELL_MS = 1000

const PARSER_PROBLEMS: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
}

const refused = new WeakSet<Socket>()

/** Answers what the HTTP parser refuses, when all requests before it have been answered, and closes the connection. */
export function answerParserError(error: NodeJS.ErrnoException, socket: Socket, headers: SecurityHeaders): void {
  if (error.code === 'ECONNRESET') socket.destroy()
  if (refused.has(socket)) return // each piece of what follows is an error, too
  refused.add(socket)
  refuse(socket, refusalOf(PARSER_PROBLEMS[error.code ?? ''] ?? 'bad_request', headers))
}

interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: string
}

function refusalOf(code: ProblemCode, headers: SecurityHeaders): Refusal {
  const body = JSON.stringify(problemDocument(new Problem(code)))
  const own = { 'content-type': 'application/problem+json', 'content-length': Buffer.byteLength(body) }
  return { status: statusOf(code), headers: { ...headers, ...own, connection: 'close' }, body }
}

function refuse(socket: Socket, refusal: Refusal): void {
  if (!socket.writable) return
  const answering = answerInTurn(socket)
  if (answering === null) hangUp(socket, refusal)
  else if (answering.headersSent || answering.req.complete) answering.once('finish', () => refuse(socket, refusal))
  else answering.writeHead(refusal.status, refusal.headers).end(refusal.body)
}

/** The answer that is due next on the connection, where Node's own handler of such errors looks for it, too. */
function answerInTurn(socket: Socket & { readonly _httpMessage?: ServerResponse | null }): ServerResponse | null {
  return socket['_httpMessage'] ?? null
}

function hangUp(socket: Socket, { status, headers, body }: Refusal): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
  setTimeout(() => socket.destroy(), FAREWELL_MS).unref()
}
