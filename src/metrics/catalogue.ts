import type { Deps } from '../deps.ts'
import type { Tally } from './tally.ts'
import type { Times } from './times.ts'

/** A sample: its labels, its value, and, of a histogram, the end of the name of its series. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  readonly series?: '_bucket' | '_sum' | '_count'
}

/** A metric, as Prometheus knows it. */
export interface Metric {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly read: () => readonly Sample[]
}

/** What is read at each scrape. */
export interface Sources extends Pick<
  Deps,
  'meters' | 'hashing' | 'sender' | 'keyring' | 'clock' | 'config' | 'storeSilentMs'
> {
  /** What the last check of the readiness has found; null: there was none yet. */
  readonly lastReadiness: () => { readonly reasons: readonly string[]; readonly warnings: readonly string[] } | null
}

/** Every metric of the service itself. */
export function catalogueOf(sources: Sources): readonly Metric[] {
  return [...countedOf(sources), ...measuredOf(sources)]
}

/** What has happened since the start. */
function countedOf({ meters, hashing }: Sources): readonly Metric[] {
  return [
    {
      name: 'latchkey_http_request_seconds',
      type: 'histogram',
      help: 'Time until an answer was ready, by route and class of status; route none: there is no such route.',
      read: () =>
        meters.answers().flatMap(({ method, route, status, times }) => spreadOf({ method, route, status }, times)),
    },
    counter(
      'verifications_total',
      'Answers of GET /v1/verify, by what the token was.',
      'outcome',
      meters.verifications,
    ),
    counter('refreshes_total', 'Refreshes, by what the token was taken for.', 'kind', meters.refreshes),
    counter(
      'denials_total',
      'Entries of the denylist written: of a token, a session, or all of a user.',
      'of',
      meters.denials,
    ),
    counter('events_total', 'Security events, as in the log.', 'event', meters.events),
    counter('limits_hit_total', 'Requests refused with 429, by the limit.', 'limit', meters.limits),
    {
      name: 'latchkey_store_command_seconds',
      type: 'histogram',
      help: 'Time of the commands to the store, failed ones among them; one read is of all that is asked for at once.',
      read: () => meters.storeTimes.flatMap(([command, times]) => spreadOf({ command }, times)),
    },
    counter('store_failures_total', 'Commands to the store that failed, by cause.', 'cause', meters.storeFailures),
    {
      name: 'latchkey_hashing_refused_total',
      type: 'counter',
      help: 'Hashes of passwords that were refused with 503 busy: too many waited, or it waited for too long.',
      read: () => one(hashing.gate().refused),
    },
  ]
}

/** What is so now. */
function measuredOf({
  hashing,
  sender,
  keyring,
  clock,
  config,
  storeSilentMs,
  lastReadiness,
}: Sources): readonly Metric[] {
  const agoSeconds = (at: number) => Math.max(0, clock() - at) / 1000
  const oldest = () => sender?.waiting().oldestAt ?? null
  return [
    gauge('ready', '1 if the last check of /readyz found no reason against it, else 0.', () =>
      lastReadiness()?.reasons.length === 0 ? 1 : 0,
    ),
    gauge('warnings', 'How many warnings the last check of /readyz had.', () => lastReadiness()?.warnings.length ?? 0),
    gauge(
      'store_clock_age_seconds',
      'For how long Redis has not told its time, which all instances share.',
      () => storeSilentMs() / 1000,
    ),
    gauge('hashing_running', 'Hashes of passwords that are being made.', () => hashing.gate().running),
    gauge('hashing_waiting', 'Hashes of passwords that wait.', () => hashing.gate().waiting),
    gauge(
      'mails_waiting',
      'Mails that wait, of all instances: take the maximum.',
      () => sender?.waiting().count ?? null,
    ),
    gauge('mails_oldest_seconds', 'Age of the oldest mail that waits, of all instances: take the maximum.', () => {
      const at = oldest()
      return sender && (at === null ? 0 : agoSeconds(at))
    }),
    gauge('signing_key_age_seconds', 'For how long the key that signs has signed.', () => {
      const since = keyring.signsSince()
      return since && agoSeconds(since)
    }),
    gauge('signing_key_rotation_seconds', 'For how long a key signs: KEY_ROTATION.', () => config.KEY_ROTATION / 1000),
  ]
}

function counter<L extends string>(name: string, help: string, label: string, tally: Tally<L>): Metric {
  const read = () => tally.read().map(([of, value]) => ({ labels: { [label]: of }, value }))
  return { name: `latchkey_${name}`, type: 'counter', help, read }
}

/** A value of now; null: there is none. */
function gauge(name: string, help: string, read: () => number | null): Metric {
  return { name: `latchkey_${name}`, type: 'gauge', help, read: () => one(read()) }
}

function one(value: number | null): readonly Sample[] {
  return value === null ? [] : [{ labels: {}, value }]
}

/** The series of a histogram; none if nothing was added. */
function spreadOf(labels: Sample['labels'], times: Times): readonly Sample[] {
  const { within, count, seconds } = times.read()
  if (count === 0) return []
  const buckets = [...within, ['+Inf', count] as const]
  return [
    ...buckets.map(([le, value]) => ({ labels: { ...labels, le }, value, series: '_bucket' as const })),
    { labels, value: seconds, series: '_sum' },
    { labels, value: count, series: '_count' },
  ]
}
