import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'

/** Answers with this object as JSON. */
export function sendJson(reply: ServerResponse, status: number, body: object, headers: OutgoingHttpHeaders = {}): void {
  const all = { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers }
  reply.writeHead(status, all).end(JSON.stringify(body))
}

/** Says no, as the service does: problem+json with a code. */
export function refuse(reply: ServerResponse, status: number, code: string, headers: OutgoingHttpHeaders = {}): void {
  const body = { type: 'about:blank', title: code.replaceAll('_', ' '), status, code }
  sendJson(reply, status, body, { 'content-type': 'application/problem+json', ...headers })
}
