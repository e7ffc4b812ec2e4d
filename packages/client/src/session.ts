import { claimsOf } from './answers.js'
import { SessionOver } from './errors.js'
import type { Settings } from './settings.js'
import { type InTurn, makeAlone, makeQueue } from './turns.js'

/** An access token; `expiresAt` by the clock of this client. */
export interface Access {
  readonly token: string
  readonly sessionId: string
  readonly expiresAt: number
}

/** The other tabs that share the cookie. */
export interface Tabs {
  /** Resolves when another tab has handed its token over, or none has in time. */
  readonly ask: () => Promise<void>
  /** That there is a new token, or that the session which it is of is over. */
  readonly tell: (kind: 'new' | 'over', access: Access, reason?: string) => void
  readonly close: () => void
}

/** What a page shows: the same object until something in it changes. */
export type Snapshot =
  | { readonly status: 'unknown' } // nobody has asked yet, or the service could not say
  | {
      readonly status: 'in'
      readonly sessionId: string
      readonly userId: string
      readonly emailVerified: boolean
      readonly roles: readonly string[]
    }
  | { readonly status: 'out'; readonly reason: string } // see SessionOver

/** The session that a client is in. */
export interface Session extends Settings {
  access: Access | null
  /** The last session that has ended here: no late answer, and no other tab, brings it back. */
  ended?: string | undefined
  snapshot: Snapshot
  readonly listeners: Set<() => void>
  /** The refresh that is on the way. */
  renewal?: Promise<Access> | undefined
  /** Before this the client does not refresh of its own accord: the service has said so. */
  quietUntil: number
  /** The refresh that is on the way: cut off when another tab's answer is there, for ours must not set the cookie after it. */
  flight?: AbortController
  /** Whether somebody waits to hear whether there is a session. */
  isAsked?: boolean
  /** What brings tokens has its turn in this client, */
  readonly inTurn: InTurn
  /** and, while it is on the way, among all tabs. */
  readonly alone: InTurn
  tabs?: Tabs | undefined
}

/** A token is renewed so long before it ends. */
const EARLY_MS = 2000

/** Opens what is not known to be a session yet. */
export function openSession(settings: Settings): Session {
  return {
    ...settings,
    access: null,
    snapshot: { status: 'unknown' },
    quietUntil: 0,
    listeners: new Set(),
    inTurn: makeQueue(),
    alone: makeAlone(settings.locks, settings.baseUrl),
  }
}

/** Whether there is no token, or one to renew. */
export function isDue({ access, now }: Session): boolean {
  return access === null || access.expiresAt - EARLY_MS <= now()
}

/** Uses this token from now on. */
export function adopt(session: Session, access: Access): void {
  if (access.sessionId === session.ended) return
  session.access = access
  const { sub: userId, email_verified: emailVerified = false, roles = [] } = claimsOf(access.token)
  show(session, { status: 'in', sessionId: access.sessionId, userId, emailVerified, roles })
}

/** There is no session any more. */
export function end(session: Session, reason: string): void {
  session.ended = session.access?.sessionId ?? session.ended
  session.access = null
  session.isAsked = false
  show(session, { status: 'out', reason })
}

/** Throws SessionOver in any session but that one: nothing is sent as the next person, nor answered to them. */
export function insist(session: Session, { sessionId }: Access): void {
  if (session.access?.sessionId !== sessionId) throw whyOver(session)
}

/** Why there is no session, or none of before. */
export function whyOver({ snapshot }: Session): SessionOver {
  return new SessionOver('reason' in snapshot ? snapshot.reason : 'replaced')
}

/** Calls the listener after each change of the snapshot; returns what ends that. */
export function subscribe({ listeners }: Session, listener: () => void): () => void {
  const entry = () => listener() // the same listener twice is two
  listeners.add(entry)
  return () => void listeners.delete(entry)
}

// Listeners are called later, each by itself: what one throws, or waits for, is nothing to the session.
function show(session: Session, next: Snapshot): void {
  if (JSON.stringify(next) === JSON.stringify(session.snapshot)) return
  session.snapshot = next
  for (const listener of session.listeners) queueMicrotask(() => session.listeners.has(listener) && listener())
}
