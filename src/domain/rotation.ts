import { type Moment, type OverReason, type Session, type SessionRecord, whyOver } from './session.ts'

/** What a presented refresh token means for its session. */
export type Rotation =
  | { readonly kind: 'rotate'; readonly next: Session } // the current token, spent now
  | { readonly kind: 'heal'; readonly next: Session } // a token from a write the store has lost: accepted
  | { readonly kind: 'repeat'; readonly next: Session } // our last answer was lost, or another tab was first: give it again
  | { readonly kind: 'reuse' } // a spent token came back too late: end the session, RFC 9700 section 4.14.2
  | { readonly kind: 'over'; readonly reason: OverReason }

/** How many lost rotations a heal backdates; a failover loses about a second of them. */
const HEAL_SPAN = 32

/**
 * Decides what presenting the refresh token with `counter` does. Pure: all facts are arguments.
 * The end of a session wins over everything, then the counters decide.
 */
export function decideRotation(record: SessionRecord, counter: number, now: Moment, graceMs: number): Rotation {
  const over = whyOver(record, now)
  if (over !== null) return { kind: 'over', reason: over }
  const session = record as Session
  if (counter > session.counter) return { kind: 'heal', next: show(healed(session, counter, now), now, graceMs) }
  if (counter === session.counter) return { kind: 'rotate', next: show(session, now, graceMs) }
  // What followed this token has never been seen: our answer was lost.
  if (counter >= session.held) return { kind: 'repeat', next: touch(hold(session, counter), now, graceMs) }
  if (isInGrace(session, counter, now, graceMs)) return { kind: 'repeat', next: session }
  return { kind: 'reuse' }
}

/** The session after its current token has been spent at `now`: one counter on. Whether the client held that token is not said. */
export function spend(session: Session, now: Moment, graceMs: number): Session {
  const spentAt = [...session.spentAt.filter((at) => isWithin(graceMs, at, now)), now]
  return used({ ...session, counter: session.counter + 1, spentAt }, now)
}

/** The session once an access token of a rotation has been seen: that answer arrived. Null if it is no news. */
export function confirm(record: SessionRecord, rotationCounter: number): Session | null {
  if (record.kind === 'ended' || rotationCounter <= record.held || rotationCounter > record.counter) return null
  return { ...record, held: rotationCounter }
}

/** The session after its client has shown the current token. */
function show(session: Session, now: Moment, graceMs: number): Session {
  return spend(hold(session, session.counter), now, graceMs)
}

function hold(session: Session, counter: number): Session {
  return counter > session.held ? { ...session, held: counter } : session
}

/** Counted from the token's own first use. */
function isInGrace(session: Session, counter: number, now: Moment, graceMs: number): boolean {
  const firstUsedAt = session.spentAt[session.spentAt.length - (session.counter - counter)]
  return firstUsedAt !== undefined && isWithin(graceMs, firstUsedAt, now)
}

/** By either clock: one that is set makes nobody a thief. A time in the future is a wrong clock's, and no grace without end. */
function isWithin(graceMs: number, at: Moment, now: Moment): boolean {
  return Math.abs(now.shared - at.shared) < graceMs || Math.abs(now.own - at.own) < graceMs
}

/** A repeat keeps the session from idling out, but only a late one is worth a write: 50 tabs at once cost one. */
function touch(session: Session, now: Moment, graceMs: number): Session {
  return now.shared - session.lastUsedAt < graceMs ? session : used(session, now)
}

/** A clock set back does not age the session: an instance that has not noticed yet would take it for idle. */
function used(session: Session, now: Moment): Session {
  return { ...session, lastUsedAt: Math.max(session.lastUsedAt, now.shared) }
}

/** The session as if it had never lost the rotations up to `counter`: when they were spent is unknown, so the grace starts now. */
function healed(session: Session, counter: number, now: Moment): Session {
  const lost = Math.min(counter - session.counter, HEAL_SPAN)
  return { ...session, counter, spentAt: [...session.spentAt.slice(-HEAL_SPAN), ...Array<Moment>(lost).fill(now)] }
}
