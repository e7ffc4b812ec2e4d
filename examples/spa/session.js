// The session of a page that logs in with `transport: "cookie"`. Copy this file, calls.js and tabs.js.
//
// The refresh token is in a cookie that no script can read; the access token is in this module and nowhere else.
// Only a 401 of /v1/refresh ends the session here: a service that is away never does, nor a proxy with another refusal.

import { events, patiently, send, tell } from './calls.js'
import { alone, askOthers, listen, share } from './tabs.js'

export { events }

/** The session is over: `token` is refused, and so is the cookie. */
export class SessionOver extends Error {}

const EARLY_MS = 2000
const RENEWED = { ok: true } // by another call, or another tab

/** `{ token, sessionId, at, expiresAt }`, or null. */
let access = null
/** Other tabs' tokens from before this are of no interest: a newer one is known, or the session has ended. */
let latestAt = 0
let timer

const isLive = (candidate) => candidate !== null && Date.now() < candidate.expiresAt

listen(() => (isLive(access) ? access : null), adoptIfNewer)
document.addEventListener('visibilitychange', renewInView)

/** Whether this browser has a session; a tab that is opened or reloaded begins with this. */
export function resume() {
  return renew(null).then(
    () => true,
    () => false,
  )
}

/** Registers or logs in. Resolves to the answer, whatever it is: somebody waits at the form. */
export function authenticate(path, credentials) {
  const body = { ...credentials, transport: 'cookie' }
  return alone(async () => {
    const answer = await send('POST', path, { body })
    if (answer.ok) take(answer.body)
    return answer
  })
}

/** Ends this session, the `others`, or `all`. Resolves to the answer; rejects with SessionOver if it ends while it waits. */
export async function logout(scope) {
  const sessionId = access?.sessionId
  const attempt = () => {
    insistOn(sessionId) // the cookie may be the next person's
    return send('POST', '/v1/logout', { body: { scope } })
  }
  const answer = await patiently(() => alone(attempt))
  if (answer.status === 401 || (answer.ok && scope !== 'others')) end('logged_out')
  return answer
}

/**
 * A POST with the access token, for a form: the password, the address, a step-up. Not repeated by itself: without an answer it may
 * have been done. It has its turn: an answer with tokens sets the cookie, whoever is logged in by then.
 */
export async function post(path, body) {
  const sessionId = await currentSession()
  const answer = await callOnce(sessionId, 'POST', path, { body }, alone)
  if (answer.body?.access_token !== undefined) take(answer.body)
  return answer
}

/**
 * A request with the access token, renewed where need be. Resolves to the answer; rejects with SessionOver.
 * It is sent in `sessionId`, the session of now unless told, and in no other: what waits must not be done as the next person.
 */
export async function call(method, path, { sessionId, ...request } = {}) {
  const session = sessionId ?? (await currentSession())
  return patiently(() => callOnce(session, method, path, request))
}

async function currentSession() {
  return (access ?? (await renew(null))).sessionId
}

// A 401, whatever its code, is a token to renew. Twice at most: the first may be another tab's, and no better.
async function callOnce(sessionId, method, path, request, inTurn = (work) => work()) {
  for (let tries = 1; ; tries++) {
    let used
    const answer = await inTurn(() => {
      insistOn(sessionId)
      used = access
      return send(method, path, { ...request, token: used.token })
    })
    insistOn(sessionId)
    if (answer.status !== 401 || tries === 3) return answer
    await renew(used)
  }
}

/** Throws SessionOver in any other session: nothing is sent as the next person, nor answered to them. */
function insistOn(sessionId) {
  if (access?.sessionId !== sessionId) throw new SessionOver()
}

/** Resolves to another token than `used`; rejects with SessionOver. No tab has the turn while it waits for the service. */
async function renew(used) {
  await patiently(() => alone(() => replace(used)), decides)
  if (access === null) throw new SessionOver()
  return access
}

// A 403 or 404 is a proxy's: /v1/refresh itself says who is logged in with tokens or a 401.
function decides({ ok, status }) {
  return ok || status === 401
}

async function replace(used) {
  if (access === used) await askOthers()
  if (access !== used) return RENEWED
  const answer = await send('POST', '/v1/refresh')
  if (answer.ok) take(answer.body)
  else if (answer.status === 401) end(answer.body?.reason ?? 'none')
  return answer
}

function take({ access_token: token, session_id: sessionId, expires_in: seconds }) {
  const at = Date.now()
  adopt({ token, sessionId, at, expiresAt: at + seconds * 1000 })
  share(access)
}

function adoptIfNewer(next) {
  if (next.at > latestAt) adopt(next)
}

// Our own is the newest whatever its time: the computer's clock may have been put back.
function adopt(next) {
  access = next
  latestAt = next.at
  clearTimeout(timer)
  timer = setTimeout(renewInView, Math.max(next.expiresAt - EARLY_MS - Date.now(), 500))
  const emailVerified = claimsOf(next).email_verified === true
  tell('token', { sessionId: next.sessionId, from: next.at, until: next.expiresAt, emailVerified })
}

// Only to show it: what a token says is the service's to check.
function claimsOf({ token }) {
  return JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')))
}

function end(reason) {
  access = null
  latestAt = Date.now()
  clearTimeout(timer)
  tell('over', { reason })
}

// Only a tab that somebody looks at: one left open in the background must not keep a session from its idle timeout.
function renewInView() {
  const isDue = access !== null && access.expiresAt - EARLY_MS <= Date.now()
  if (isDue && document.visibilityState === 'visible') renew(access).catch(() => {})
}
