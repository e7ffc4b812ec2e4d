import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Answer } from './answer.ts'
import type { WithHeaders } from './index.ts'

/**
 * The Authorization header of a request of node:http, as `Headers` has it: every line, joined. `request.headers` would hide all
 * but the first.
 */
export function authorizationOf({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): WithHeaders {
  const lines = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'authorization')
  return { headers: { get: () => (lines.length === 0 ? null : lines.join(', ')) } }
}

/** Sends the answer, and nothing else. */
export function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers).end(body)
}
