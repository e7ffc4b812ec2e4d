import { type Expected, read } from './answers.js'
import { toUnavailable } from './errors.js'
import type { Session } from './session.js'
import { resolve } from './settings.js'
import { after } from './turns.js'

/** What the service is asked: by POST, or by GET where there is no body, unless `method` says another. */
export interface Asked<Body> {
  /** Below `/v1/`. */
  readonly path: string
  readonly method?: string
  readonly body?: object
  readonly isExpected: Expected<Body>
}

/** A network that says nothing for so long is taken for none. */
const DEADLINE_MS = 10_000

/** Asks the service; resolves to what was expected. Rejects with Refused and Unavailable. No token but `false`: it is a refresh. */
export async function ask<Body>(session: Session, asked: Asked<Body>, token?: string | false): Promise<Body> {
  const { path, method, body, isExpected } = asked
  const flight = after(DEADLINE_MS)
  if (token === false) session.flight = flight
  const answer = await session
    .fetch(resolve(`${session.baseUrl}v1/${path}`).href, {
      method: method ?? (body ? 'POST' : 'GET'),
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
      credentials: session.storage ? 'omit' : 'include',
      redirect: 'error', // a captive portal's
      signal: flight.signal,
    })
    .catch(toUnavailable)
  return read(answer, isExpected)
}
