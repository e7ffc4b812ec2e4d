import { type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { Problem, type ProblemCode, problemDocument, statusOf } from '../problems.ts'
import type { SecurityHeaders } from './response-headers.ts'

/** How long a client may take. */
export interface Patience {
  /** For how many ms a request may take to arrive, from its first byte to its last. */
  readonly requestMs: number
  /** For how many ms a connection may be idle between two requests. */
  readonly idleMs: number
}

/** The patience with clients. `idleMs` is longer than the minute for which balancers keep an idle connection. */
export const PATIENCE: Patience = { requestMs: 10_000, idleMs: 65_000 }

/**
 * Closes a connection on which no request has begun for longer than an honest client may be silent. Node's own timeouts miss some
 * clients: those that read no answer, pipeline requests and read none, send blank lines, or never close their end.
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
 * Reads the address of each client as soon as it connects, and Node keeps it. By itself Node asks the system when the address is
 * first wanted, and the system knows none for a connection that was reset.
 */
export function rememberAddresses(server: Server): void {
  server.on('connection', (socket) => void socket.remoteAddress)
}

/** For how many ms a client that was refused may take to read the answer and to close its end, too. */
const FAREWELL_MS = 1000

const PARSER_PROBLEMS: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
}

const answered = new WeakSet<Socket>()

/** Answers a request that the HTTP parser refuses, after all requests before it, and closes the connection. */
export function answerParserError(error: NodeJS.ErrnoException, socket: Socket, headers: SecurityHeaders): void {
  if (error.code === 'ECONNRESET') socket.destroy()
  if (answered.has(socket)) return // the bytes that follow are errors, too
  answered.add(socket)
  sendInTurn(socket, rawAnswer(PARSER_PROBLEMS[error.code ?? ''] ?? 'bad_request', headers))
}

/** An answer without a request that Node could parse. */
interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: string
}

function rawAnswer(code: ProblemCode, headers: SecurityHeaders): RawAnswer {
  const body = JSON.stringify(problemDocument(new Problem(code)))
  const own = { 'content-type': 'application/problem+json', 'content-length': Buffer.byteLength(body) }
  return { status: statusOf(code), headers: { ...headers, ...own, connection: 'close' }, body }
}

/** Sends the answer when no other is due before it; if the request that is due has not arrived whole, its answer is this one. */
function sendInTurn(socket: Socket, answer: RawAnswer): void {
  if (!socket.writable) return
  const due = answerDue(socket)
  if (due === null) writeAndClose(socket, answer)
  else if (due.headersSent || due.req.complete) due.once('finish', () => sendInTurn(socket, answer))
  else due.writeHead(answer.status, answer.headers).end(answer.body)
}

/** The answer that is due next on the connection, kept where Node's own handler of such errors looks for it; null: none is due. */
function answerDue(socket: Socket & { readonly _httpMessage?: ServerResponse | null }): ServerResponse | null {
  return socket['_httpMessage'] ?? null
}

function writeAndClose(socket: Socket, { status, headers, body }: RawAnswer): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
  setTimeout(() => socket.destroy(), FAREWELL_MS).unref()
}
