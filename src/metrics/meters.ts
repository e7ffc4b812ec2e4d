import { EVENT_NAMES } from '../events/recorder.ts'
import { type EventName, LIMITS, type LimitName, type SecurityEvent } from '../events/security-events.ts'
import { STORE_COMMANDS, STORE_FAILURES, type StoreCommand, type StoreFailure } from '../store/in-doubt.ts'
import { type DenialKind, DENIAL_KINDS } from '../store/keys.ts'
import { makeTally, type Tally } from './tally.ts'
import { makeTimes, type Times } from './times.ts'

/** What becomes of a refresh. */
export const REFRESH_KINDS = ['rotate', 'repeat', 'late', 'heal', 'reuse', 'refused'] as const
export type RefreshKind = (typeof REFRESH_KINDS)[number]

/** What GET /v1/verify comes to; `unknown`: the service could not know. */
export const VERIFY_OUTCOMES = [
  'alive',
  'insufficient',
  'expired',
  'revoked',
  'invalid',
  'missing',
  'malformed',
  'unknown',
] as const
export type VerifyOutcome = (typeof VERIFY_OUTCOMES)[number]

/** The statuses of answers to one route, by their first digit. */
const CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

/** Notes an answer of one route: its status, and how many ms it took. */
export type NoteAnswer = (status: number, ms: number) => void

/** The answers of one route with statuses of one class. */
export interface Answers {
  readonly method: string
  readonly route: string
  readonly status: string
  readonly times: Times
}

/** What this process counts of itself, in plain arrays: no label comes from a request. */
export interface Meters {
  readonly events: Tally<EventName>
  readonly refreshes: Tally<RefreshKind>
  readonly limits: Tally<LimitName>
  readonly verifications: Tally<VerifyOutcome>
  readonly denials: Tally<DenialKind>
  readonly storeFailures: Tally<StoreFailure>
  readonly storeTimes: readonly (readonly [StoreCommand, Times])[]
  /** Makes the function that notes the answers of a route; the same route has one. */
  readonly routeOf: (method: string, route: string) => NoteAnswer
  readonly answers: () => readonly Answers[]
  /** Counts a security event, and what it says of refreshes and limits. */
  readonly hear: (event: SecurityEvent) => void
  /** Counts a command of the store. */
  readonly hearCommand: (command: StoreCommand, ms: number, failure: StoreFailure | null) => void
}

/** Makes the meters of a process. */
export function makeMeters(): Meters {
  const [events, refreshes, limits] = [makeTally(EVENT_NAMES), makeTally(REFRESH_KINDS), makeTally(LIMITS)]
  const storeFailures = makeTally(STORE_FAILURES)
  const storeTimes = new Map(STORE_COMMANDS.map((command) => [command, makeTimes()]))
  return {
    events,
    refreshes,
    limits,
    verifications: makeTally(VERIFY_OUTCOMES),
    denials: makeTally(DENIAL_KINDS),
    storeFailures,
    storeTimes: [...storeTimes],
    ...makeRoutes(),
    hear(event) {
      events.add(event.event)
      if (event.event === 'limit.hit') limits.add(event.limit)
      const kind = refreshKindOf(event)
      if (kind !== null) refreshes.add(kind)
    },
    hearCommand(command, ms, failure) {
      storeTimes.get(command)?.add(ms)
      if (failure !== null) storeFailures.add(failure)
    },
  }
}

/** What the event says of a refresh; null: nothing, or what another event of the same refresh says. */
function refreshKindOf(event: SecurityEvent): RefreshKind | null {
  if (event.event === 'session.refreshed') return event.how
  if (event.event === 'session.reused') return 'reuse'
  return event.event === 'refresh.refused' && event.reason !== 'token_reused' ? 'refused' : null
}

function makeRoutes(): Pick<Meters, 'routeOf' | 'answers'> {
  const routes = new Map<string, readonly Answers[]>()

  function timesOf(method: string, route: string): readonly Answers[] {
    const name = `${method} ${route}`
    const rows = routes.get(name) ?? CLASSES.map((status) => ({ method, route, status, times: makeTimes() }))
    routes.set(name, rows)
    return rows
  }

  return {
    routeOf(method, route) {
      const rows = timesOf(method, route)
      return (status, ms) => rows[Math.trunc(status / 100) - 1]?.times.add(ms)
    },
    answers: () => [...routes.values()].flat(),
  }
}
