import { type OverReason, type Session, type SessionRecord, whyOver } from './session.ts'
import { isSettled, type Moment, since } from './time.ts'

/** What a presented refresh token means for its session. */
export type Rotation =
  | { readonly kind: 'rotate'; readonly next: Session } // the current token, spent now
  | { readonly kind: 'heal'; readonly next: Session } // a token from a write the store has lost: accepted
  | { readonly kind: 'repeat'; readonly next: Session } // another tab was first, or our last answer was lost: give it again
  | { readonly kind: 'late'; readonly next: Session } // the same, outside the grace: our answer was lost, or two share the token
  | { readonly kind: 'superseded' } // a token of before the password was changed: refused, and the session lives
  | { readonly kind: 'reuse' } // a spent token came back too late: end the session, RFC 9700 section 4.14.2
  | { readonly kind: 'over'; readonly reason: OverReason }

/** How many lost rotations a heal backdates; a failover loses about a second of them. */
const HEAL_SPAN = 32
/** Late repeats at so many rotations in a row are one holder too many. */
const REUSE_STREAK = 4

/**
 * Decides what presenting the refresh token with `counter` does. Pure: all facts are arguments.
 * The end of a session wins over everything, then the counters decide.
 */
export function decideRotation(record: SessionRecord, counter: number, moment: Moment, graceMs: number): Rotation {
  const over = whyOver(record, moment)
  if (over !== null) return { kind: 'over', reason: over }
  const session = record as Session
  if (counter > session.counter) return { kind: 'heal', next: show(healed(session, counter, moment), moment, graceMs) }
  if (counter === session.counter) return { kind: 'rotate', next: show(session, moment, graceMs) }
  return decideRepeat(session, counter, ageOf(session, counter, moment), graceMs)
}

/** `age`: how long ago the token was first used. It is unknown only of one that is out of its grace, or of before an upgrade. */
function decideRepeat(session: Session, counter: number, age: number | undefined, graceMs: number): Rotation {
  const isInGrace = age !== undefined && isWithin(age, graceMs)
  // What followed this token has never been seen: our answer was lost.
  if (counter >= session.held && !(age !== undefined && age >= session.idleMs)) {
    return isInGrace ? { kind: 'repeat', next: hold(session, counter) } : repeatLate(hold(session, counter), counter)
  }
  if (!isInGrace) return { kind: 'reuse' }
  if (counter < session.changedFrom) return { kind: 'superseded' }
  return { kind: 'repeat', next: session }
}

/** One client may lose an answer now and then, and come back late; two who share a token do so at every rotation. */
function repeatLate(session: Session, counter: number): Rotation {
  if (session.late && counter <= session.late.counter) return { kind: 'late', next: session }
  const streak = session.late?.counter === counter - 1 ? session.late.streak + 1 : 1
  return streak < REUSE_STREAK ? { kind: 'late', next: { ...session, late: { counter, streak } } } : { kind: 'reuse' }
}

/** The session after its current token has been spent: one counter on. Whether the client held that token is not said. */
export function spend(session: Session, moment: Moment, graceMs: number): Session {
  const spentAt = [...session.spentAt, moment.now]
  const oldest = session.counter + 1 - spentAt.length
  const isNeeded = (at: number, place: number) => oldest + place >= session.held || isWithin(since(at, moment), graceMs)
  return used({ ...session, counter: session.counter + 1, spentAt: spentAt.slice(spentAt.findIndex(isNeeded)) }, moment)
}

/** The session after its password has been changed: one counter on, and no grace for the tokens of before. */
export function spendForChange(session: Session, moment: Moment, graceMs: number): Session {
  const next = spend(session, moment, graceMs)
  return { ...next, changedFrom: next.counter }
}

/** The session once an access token of a rotation has been seen: that answer arrived. Null if it is no news. */
export function confirm(record: SessionRecord, rotationCounter: number): Session | null {
  if (record.kind === 'ended' || rotationCounter <= record.held || rotationCounter > record.counter) return null
  return { ...record, held: rotationCounter }
}

/** The session after its client has shown the current token. */
function show(session: Session, moment: Moment, graceMs: number): Session {
  return spend(hold(session, session.counter), moment, graceMs)
}

function hold(session: Session, counter: number): Session {
  return counter > session.held ? { ...session, held: counter } : session
}

/** How many ms ago a spent token was first used; undefined once that is forgotten. */
export function ageOf({ spentAt, counter: current }: Session, counter: number, moment: Moment): number | undefined {
  const firstUsedAt = spentAt[spentAt.length - (current - counter)]
  return firstUsedAt === undefined ? undefined : since(firstUsedAt, moment)
}

/** A time to come is that of a clock which is set wrong, and no grace without end. */
function isWithin(age: number, graceMs: number): boolean {
  return Math.abs(age) < graceMs
}

/** A clock that was set back just now does not age the session: an instance that has not noticed yet would take it for idle. */
function used(session: Session, moment: Moment): Session {
  const { now } = moment
  return { ...session, lastUsedAt: isSettled(moment) ? now : Math.max(session.lastUsedAt, now) }
}

/** The session as if it had never lost the rotations up to `counter`: when they were spent is unknown, so the grace starts now. */
function healed(session: Session, counter: number, { now }: Moment): Session {
  const lost = Math.min(counter - session.counter, HEAL_SPAN)
  return { ...session, counter, spentAt: [...session.spentAt.slice(-HEAL_SPAN), ...Array<number>(lost).fill(now)] }
}
