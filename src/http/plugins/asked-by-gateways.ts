import type { IncomingMessage } from 'node:http'

const VERIFY = '/v1/verify'

/**
 * The URL to route a request by. A gateway may ask with the method and the path of the request that it asks about, and its own path
 * before that: whatever is at or below /v1/verify becomes the question GET /v1/verify, with the same query. So no body is read, and
 * an OPTIONS is no preflight: a gateway would take its 204 for a yes.
 */
export function askedByGateway(request: Pick<IncomingMessage, 'url' | 'method'>): string {
  const { url = '', method } = request
  if (!url.startsWith(VERIFY) || (method === 'GET' && url.length === VERIFY.length)) return url
  const query = url.indexOf('?')
  const path = query === -1 ? url : url.slice(0, query)
  if (path.length > VERIFY.length && path[VERIFY.length] !== '/') return url
  if (method !== 'HEAD') request.method = 'GET'
  return query === -1 ? VERIFY : VERIFY + url.slice(query)
}
