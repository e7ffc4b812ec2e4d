import type { Client } from './client.js'
import { Refused } from './errors.js'
import type { Session } from './session.js'

// What the other entries of the package take from a client.

/** The session that the client keeps. */
export function sessionOf({ session }: Client): Session {
  if (!session) throw new TypeError('no client of createClient')
  return session()
}

const unanswered = new WeakMap<Session, Map<string, unknown>>()

/**
 * Sends what was made. Where nobody knows whether it arrived, the next call with this key sends the same again instead of making another:
 * the service answers the same. So does one that a step-up was asked for.
 */
export async function untilAnswered<Made, Body>(
  session: Session,
  key: string,
  make: () => Promise<Made>,
  send: (made: Made) => Promise<Body>,
): Promise<Body> {
  const kept = unanswered.get(session) ?? new Map<string, unknown>()
  unanswered.set(session, kept)
  const made = (kept.get(key) as Made | undefined) ?? (await make())
  kept.set(key, made)
  try {
    const body = await send(made)
    kept.delete(key)
    return body
  } catch (error) {
    if (error instanceof Refused && error.code !== 'step_up_required') kept.delete(key)
    throw error
  }
}
