import { fresh, renew } from './renewal.js'
import { type Access, insist, type Session } from './session.js'
import { resolve } from './settings.js'

/** A fetch that shows the access token to the origins that may see it. */
export function makeFetch(session: Session): typeof globalThis.fetch {
  const { baseUrl, origins, fetch } = session
  return async (input, init?: RequestInit & { duplex?: 'half' }) => {
    const { url } = input as Partial<Request>
    const { href, origin, protocol } = resolve(url ?? (input as string), resolve(baseUrl).href)
    const target = url ? input : href
    const isAllowed = [baseUrl, ...origins].some((each) => resolve(each).origin === origin)
    if (!isAllowed || !protocol.startsWith('http')) return fetch(target, init)
    return fetchWithToken(session, new Request(target, init), init?.duplex)
  }
}

// Repeated once after a 401, but for a stream, which needs a `duplex` and is used up. Rejects with SessionOver when the session is
// another one by then.
async function fetchWithToken(session: Session, request: Request, duplex?: 'half'): Promise<Response> {
  const used = await fresh(session)
  const again = duplex ? undefined : request.clone()
  const attempt = async (each: Request, { token }: Access) => {
    insist(session, used)
    each.headers.set('authorization', `Bearer ${token}`)
    const answer = await session.fetch(each)
    insist(session, used)
    return answer
  }
  const answer = await attempt(request, used)
  if (answer.status !== 401) return answer
  if (again) answer.text().catch(() => {}) // unread, it would hold its connection
  const next = await renew(session, used)
  return again ? attempt(again, next) : answer
}
