import { createClient, SessionOver, Unavailable } from './client/index.js'

// The session of this page is the package's. What is added here is patience, and telling: a page that shows what goes on.

/** What happens, for whoever shows it: each `answer`; `waiting` while something waits for the service, `well` when that is done;
 * `held` when a second factor must be enrolled before anything else. */
export const events = new EventTarget()

/** The client of this page: the refresh token is in a cookie that no script can read, the access token in its memory. */
export const client = createClient({ baseUrl: '/', transport: 'cookie', fetch: fetchAndTell })

function tell(name, detail) {
  events.dispatchEvent(new CustomEvent(name, { detail }))
}

async function fetchAndTell(input, init) {
  const answer = await fetch(input, init)
  const { method = 'GET', url } = typeof input === 'string' ? { ...init, url: input } : input
  const { pathname, search } = new URL(url)
  tell('answer', { method, path: pathname + search, status: answer.status, instance: answer.headers.get('x-instance') })
  return answer
}

/** The session of now; undefined if there is none. */
export const sessionOfNow = () => client.getSnapshot().sessionId

/** Does it until the service has said something; each time after as long as that wants. */
export async function patiently(act) {
  for (let hasWaited = false; ; hasWaited = true) {
    try {
      const done = await act()
      if (hasWaited) tell('well')
      return done
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      tell('waiting', { status: error.status, seconds: error.retryAfter })
      await new Promise((resolve) => setTimeout(resolve, error.retryAfter * 1000))
    }
  }
}

/** The same in this session, and in no other: what waits must not be done as the next person. */
export function inSession(act, sessionId = sessionOfNow()) {
  return patiently(() => {
    if (sessionOfNow() !== sessionId) throw new SessionOver('replaced')
    return act()
  })
}

/** A request with the access token. Resolves to `{ status, ok, body, headers }`; rejects with SessionOver. */
export function call(method, path, { sessionId, body, headers } = {}) {
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  const init = { method, headers: { ...headers, ...type }, body: JSON.stringify(body) }
  return inSession(() => client.fetch(path, init).then(read, toUnavailable), sessionId)
}

// Nothing follows from no answer, 5xx and 429.
async function read(answer) {
  const { status, ok, headers } = answer
  if (status >= 500 || status === 429) throw new Unavailable(status, Number(headers.get('retry-after')) || 1)
  const body = await answer.json().catch(() => null)
  if (body?.code === 'step_up_required' && body.factors.length === 0) tell('held')
  return { status, ok, headers, body }
}

function toUnavailable(error) {
  throw error instanceof TypeError ? new Unavailable() : error
}
