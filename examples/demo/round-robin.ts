import { type IncomingMessage, request as ask, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { Instance } from './instances.ts'
import { refuse } from './answers.ts'

/** A request body in full, and whoever sent it. */
type Call = { readonly request: IncomingMessage; readonly body: Buffer }

const MAX_BODY = 64 * 1024 // the service itself refuses more than 32 KiB, with its own words
const PATIENCE_MS = 5000

// What belongs to one connection, or is said anew to the instance, or only a proxy may say.
const NOT_PASSED_ON = new Set(
  'connection keep-alive transfer-encoding content-length expect te trailer upgrade forwarded x-real-ip x-forwarded-port'.split(
    ' ',
  ),
)

/** Passes requests on to the instances in turn; says in `X-Instance` which one answered, and 503 when none can. */
export function makeRoundRobin(instances: readonly Instance[]) {
  let turn = 0
  return async (request: IncomingMessage, reply: ServerResponse): Promise<void> => {
    const body = await readBody(request)
    if (body === null) return refuse(reply, 413, 'too_large')
    const first = turn++
    for (let tries = 0; tries < instances.length; tries++) {
      const instance = instances[(first + tries) % instances.length]
      if (instance === undefined) break
      try {
        return await relay(await passOn({ request, body }, instance.port), instance.name, reply)
      } catch (error) {
        if (reply.headersSent || !mayRepeat(request, error as NodeJS.ErrnoException)) break
      }
    }
    if (reply.headersSent) reply.destroy()
    else refuse(reply, 503, 'busy', { 'retry-after': '1' })
  }
}

/** Whatever an instance may have received is repeated only if it is a GET, which does nothing. */
function mayRepeat({ method }: IncomingMessage, { code }: NodeJS.ErrnoException): boolean {
  return code === 'ECONNREFUSED' || method === 'GET'
}

async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length <= MAX_BODY) chunks.push(chunk)
  }
  return length <= MAX_BODY ? Buffer.concat(chunks) : null
}

// A connection of its own for each request: one that is refused has certainly not been received.
function passOn({ request, body }: Call, port: number): Promise<IncomingMessage> {
  const { method, url: path } = request
  return new Promise((resolve, reject) => {
    const asked = ask({ host: '127.0.0.1', port, agent: false, method, path, headers: headersFor(request, body) })
    asked.setTimeout(PATIENCE_MS, () => asked.destroy(new Error('no answer in time')))
    asked.once('error', reject)
    asked.once('response', resolve)
    asked.end(body)
  })
}

function headersFor({ headers, socket }: IncomingMessage, body: Buffer) {
  const passed = Object.entries(headers).filter(([name]) => !NOT_PASSED_ON.has(name))
  return {
    ...Object.fromEntries(passed),
    ...(body.length > 0 ? { 'content-length': body.length } : {}),
    'x-forwarded-for': socket.remoteAddress,
    'x-forwarded-host': headers.host,
    'x-forwarded-proto': 'http',
  }
}

async function relay(answer: IncomingMessage, instance: string, reply: ServerResponse): Promise<void> {
  const { connection: _ours, 'keep-alive': _theirs, ...headers } = answer.headers
  reply.writeHead(answer.statusCode ?? 502, { ...headers, 'x-instance': instance })
  await pipeline(answer, reply)
}
