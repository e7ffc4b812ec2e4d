// Requests that have patience. A service that cannot answer now is waited for; only what it has answered counts.

/** What happens, for whoever shows it: `answer`, `waiting` and `well` from here, `token` and `over` from session.js. */
export const events = new EventTarget()

export function tell(name, detail) {
  events.dispatchEvent(new CustomEvent(name, { detail }))
}

const DEADLINE_MS = 20_000
const NOBODY = { status: 0, ok: false, body: null, headers: new Headers() }

/** Makes the attempt until its answer `isFinal`: again after `Retry-After`, or a second, while the service is away or asks to wait. */
export async function patiently(attempt, isFinal = saysSomething) {
  for (;;) {
    const answer = await attempt()
    if (isFinal(answer)) {
      tell('well')
      return answer
    }
    const seconds = Number(answer.headers.get('retry-after')) || 1
    tell('waiting', { status: answer.status, seconds })
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  }
}

// Not so of no answer (status 0), 5xx and 429: from those nothing follows.
function saysSomething({ status }) {
  return status > 0 && status < 500 && status !== 429
}

/** Sends one request; resolves to `{ status, ok, body, headers }`, never rejects. */
export async function send(method, path, { token, body, headers = {} } = {}) {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  const init = { method, headers: { ...headers, ...authorization, ...type }, signal: AbortSignal.timeout(DEADLINE_MS) }
  try {
    const answer = await fetch(path, body === undefined ? init : { ...init, body: JSON.stringify(body) })
    const text = await answer.text()
    tell('answer', { method, path, status: answer.status, instance: answer.headers.get('x-instance') })
    return { status: answer.status, ok: answer.ok, body: parse(text), headers: answer.headers }
  } catch {
    return NOBODY
  }
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
