import { type OverReason, type Session, type SessionRecord, whyOver } from './session.ts'
import { isSettled, type Moment, since } from './time.ts'

/** What a presented refresh token means for its session. */
export type Rotation =
  | { readonly kind: 'rotate'; readonly next: Session } // the current token: it is spent now
  | { readonly kind: 'heal'; readonly next: Session } // a token newer than the store knows, whose rotation the store has lost: accepted
  | { readonly kind: 'repeat'; readonly next: Session } // another tab was first, or our last answer was lost: give the current token again
  | { readonly kind: 'late'; readonly next: Session } // as `repeat`, but after the grace: our answer was lost, or two clients share the token
  | { readonly kind: 'superseded' } // a token from before the password was changed: refused, and the session lives
  | { readonly kind: 'reuse' } // a spent token came back too late: end the session, RFC 9700 section 4.14.2
  | { readonly kind: 'over'; readonly reason: OverReason }

/** How many lost rotations `heal` restores at most; a failover loses about a second of them. */
const HEAL_SPAN = 32
/** Late repeats at this many rotations in a row show that two clients hold the token. */
const REUSE_STREAK = 4

/**
 * Decides what happens to a session whose refresh token with `counter` was shown. If the session is over, that is the answer;
 * otherwise the counters decide.
 */
export function decideRotation(record: SessionRecord, counter: number, moment: Moment, graceMs: number): Rotation {
  const over = whyOver(record, moment)
  if (over !== null) return { kind: 'over', reason: over }
  const session = record as Session
  if (counter > session.counter)
    return { kind: 'heal', next: spendShown(withLostRotations(session, counter, moment), moment, graceMs) }
  if (counter === session.counter) return { kind: 'rotate', next: spendShown(session, moment, graceMs) }
  return decideRepeat(session, counter, ageOf(session, counter, moment), graceMs)
}

/**
 * Decides about a spent token, first used `age` ms ago. The age is undefined if the token is out of its grace, or from before
 * an upgrade.
 */
function decideRepeat(session: Session, counter: number, age: number | undefined, graceMs: number): Rotation {
  const isInGrace = age !== undefined && isWithin(age, graceMs)
  const isLongSpent = age !== undefined && age >= session.idleMs
  // The client is not known to have the successor of this token: our answer was lost.
  if (counter >= session.held && !isLongSpent) {
    const held = markHeld(session, counter)
    return isInGrace ? { kind: 'repeat', next: held } : repeatLate(held, counter)
  }
  if (!isInGrace) return { kind: 'reuse' }
  if (counter < session.changedFrom) return { kind: 'superseded' }
  return { kind: 'repeat', next: session }
}

/**
 * A client may lose an answer now and then, and come back late; two clients that share a token come back late at every
 * rotation.
 */
function repeatLate(session: Session, counter: number): Rotation {
  if (session.late && counter <= session.late.counter) return { kind: 'late', next: session }
  const streak = session.late?.counter === counter - 1 ? session.late.streak + 1 : 1
  return streak < REUSE_STREAK ? { kind: 'late', next: { ...session, late: { counter, streak } } } : { kind: 'reuse' }
}

/**
 * The session after its current refresh token has been spent: its counter is one higher. Does not say that the client had that
 * token.
 */
export function spend(session: Session, moment: Moment, graceMs: number): Session {
  const spentAt = [...session.spentAt, moment.now]
  const oldest = session.counter + 1 - spentAt.length
  const isNeeded = (at: number, place: number) => oldest + place >= session.held || isWithin(since(at, moment), graceMs)
  return markUsed(
    { ...seen(session), counter: session.counter + 1, spentAt: spentAt.slice(spentAt.findIndex(isNeeded)) },
    moment,
  )
}

/** The session after a change of the password: its counter is one higher, and the tokens of before have no grace. */
export function spendForChange(session: Session, moment: Moment, graceMs: number): Session {
  const next = spend(session, moment, graceMs)
  return { ...next, changedFrom: next.counter }
}

/**
 * The session after an access token of a rotation has come back: the client has that answer. Null: this was known, or is
 * impossible.
 */
export function confirm(record: SessionRecord, rotationCounter: number): Session | null {
  if (record.kind === 'ended' || rotationCounter > record.counter) return null
  if (rotationCounter <= record.held) return record.isUnseen ? seen(record) : null
  return { ...seen(record), held: rotationCounter }
}

/** The session, one of whose tokens has come back: what opened it opens it no more. */
function seen(session: Session): Session {
  const { isUnseen, ...rest } = session
  return isUnseen ? rest : session
}

/** The session after its client has shown the current refresh token, and so spent it. */
function spendShown(session: Session, moment: Moment, graceMs: number): Session {
  return spend(markHeld(session, session.counter), moment, graceMs)
}

/** The session, with the knowledge that its client has the token with `counter`. */
function markHeld(session: Session, counter: number): Session {
  return counter > session.held ? { ...session, held: counter } : session
}

/** How many ms ago a spent refresh token was first used; undefined: that is no longer remembered. */
export function ageOf({ spentAt, counter: current }: Session, counter: number, moment: Moment): number | undefined {
  const firstUsedAt = spentAt[spentAt.length - (current - counter)]
  return firstUsedAt === undefined ? undefined : since(firstUsedAt, moment)
}

/**
 * Whether a token is within its grace. A first use in the future comes from a clock that is set wrong, and must not prolong the
 * grace without end.
 */
function isWithin(age: number, graceMs: number): boolean {
  return Math.abs(age) < graceMs
}

/**
 * The session, used now. Just after the clock was set back `lastUsedAt` stays: an instance that has not noticed would take the
 * session for idle.
 */
function markUsed(session: Session, moment: Moment): Session {
  const { now } = moment
  return { ...session, lastUsedAt: isSettled(moment) ? now : Math.max(session.lastUsedAt, now) }
}

/**
 * The session with the rotations up to `counter` that the store has lost. When they were spent is unknown, so their grace
 * starts now.
 */
function withLostRotations(session: Session, counter: number, { now }: Moment): Session {
  const lost = Math.min(counter - session.counter, HEAL_SPAN)
  return { ...session, counter, spentAt: [...session.spentAt.slice(-HEAL_SPAN), ...Array<number>(lost).fill(now)] }
}
