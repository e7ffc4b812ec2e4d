// Requests that have patience. A service that cannot answer now is waited for; only what it has answered counts.

/** What happens, for whoever shows it: `answer`, `waiting` and `well` from here, `token` and `over` from session.js. */
export const events = new EventTarget()

export function tell(name, detail) {
  events.dispatchEvent(new CustomEvent(name, { detail }))
}

const DEADLINE_MS = 20_000
const NOBODY = { status: 0, ok: false, body: null, headers: new Headers() }

/**
 * Sends a request and resolves to `{ status, ok, body, headers }`, never rejects. While the service is away (no answer,
 * which is status 0, or 5xx) or asks to wait (429) it sends the same again after `Retry-After`; with `patient: false` it
 * resolves to that, too. Nothing about the session follows from such an answer.
 */
export async function send(method, path, { patient = true, ...options } = {}) {
  for (;;) {
    const answer = await sendOnce(method, path, options)
    const seconds = secondsToWait(answer)
    if (seconds === null) tell('well')
    if (seconds === null || !patient) return answer
    tell('waiting', { status: answer.status, seconds })
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  }
}

/** How long to wait before the same is sent again; null when this answer is one. */
function secondsToWait({ status, headers }) {
  const isAnswer = status > 0 && status < 500 && status !== 429
  return isAnswer ? null : Number(headers.get('retry-after')) || 1
}

async function sendOnce(method, path, { token, body, headers = {} }) {
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
