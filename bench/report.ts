// From samples to the table: ratios between stretches of load that were next to each other, medians, and what was promised.

/** A short stretch of load on one server. */
export interface Stretch {
  readonly perSecond: number
  readonly cpuUs: number
  /** Which part of one core the server had: well below 1, something else set the pace. */
  readonly busy: number
  readonly failures: number
}

/** One process of one server: its stretches, and what memory and time it took. */
export interface Sample {
  readonly stretches: readonly Stretch[]
  readonly peakMb: number
  readonly startMs: number
}

/** The samples of each subject, one a round. */
export type Samples = Readonly<Record<string, Sample[]>>

/** One storm of logins. */
export interface Storm {
  readonly verifies: number
  readonly failures: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** What others did meanwhile: logins, or mails that were asked for. */
  readonly othersPerSecond: number
  readonly peakMb: number
  /** By how much the peak of memory rose from the first half of the storm to the second. */
  readonly grownMb: number
}

/** Over the rounds. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** What was promised and what has come of it. */
export interface Verdict {
  readonly what: string
  readonly found: Spread
  /** The same by requests per second, where the judged figure is a ratio of processor time. */
  readonly byRate: Spread | null
  readonly target: string
  readonly isMet: boolean | null
}

export interface About {
  readonly date: string
  readonly machine: string
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
  readonly loginsAtOnce: number
  readonly storm: string
  readonly mailStorm: string
}

const RATIOS: readonly (readonly [what: string, subject: string, against: string, least: number | null])[] = [
  ['verify on Redis ÷ raw route', 'verify on Redis', 'raw', 0.7],
  ['verify embedded ÷ raw route', 'verify embedded', 'raw', 0.65],
  ['refresh ÷ raw route', 'refresh', 'raw', 0.13],
  ['login ÷ bare argon2', 'login', 'argon2', 0.95],
  ['verify on Redis ÷ @fastify/session', 'verify on Redis', '@fastify/session', 3.4],
  ['verify on Redis ÷ express-session', 'verify on Redis', 'express-session', 10],
  ['verify on Redis ÷ naive JWT', 'verify on Redis', 'naive JWT', null],
]

const SERVICE = ['verify on Redis', 'verify embedded', 'refresh']

/** Every promise, in a fixed order. Ratios are judged by the median of processor time a request. */
export function judge(samples: Samples, storms: readonly Storm[], mailStorms: readonly Storm[]): Verdict[] {
  return [...RATIOS.map((ratio) => judgeRatio(samples, ratio)), ...judgeFigures(samples, storms, mailStorms)]
}

function judgeRatio(samples: Samples, [what, subject, against, least]: (typeof RATIOS)[number]): Verdict {
  const found = compare(samples, subject, against, byCpu)
  const byRate = compare(samples, subject, against, (ours, theirs) => ours.perSecond / theirs.perSecond)
  const target = least === null ? '' : `≥ ${least}`
  return { what, found, byRate, target, isMet: least === null ? null : found.median >= least }
}

function row(name: string, rounds: readonly Sample[]): string[] {
  const over = (figure: (stretch: Stretch) => number) =>
    format(spread(rounds.map(({ stretches }) => median(stretches.map(figure)))))
  const failures = rounds.flatMap(({ stretches }) => stretches).reduce((sum, stretch) => sum + stretch.failures, 0)
  return [
    name,
    over(({ perSecond }) => perSecond),
    over(({ cpuUs }) => cpuUs),
    over(({ busy }) => busy),
    `${failures}`,
    format(spread(rounds.map(({ peakMb }) => peakMb))),
    format(spread(rounds.map(({ startMs }) => startMs))),
  ]
}

/** In each round the median over its stretches, each compared with the other server's of the same moment; then over the rounds. */
function compare(samples: Samples, subject: string, against: string, ratio: Ratio): Spread {
  const others = samples[against] ?? []
  return spread((samples[subject] ?? []).map((ours, round) => ratioOf(ours, others[round], ratio)))
}

type Ratio = (ours: Stretch, theirs: Stretch) => number

/** By processor time a request. */
const byCpu: Ratio = (ours, theirs) => theirs.cpuUs / ours.cpuUs

function ratioOf({ stretches }: Sample, others: Sample | undefined, ratio: Ratio): number {
  return median(stretches.map((ours, place) => ratio(ours, others?.stretches[place] as Stretch)))
}

function judgeFigures(samples: Samples, storms: readonly Storm[], mailStorms: readonly Storm[]): Verdict[] {
  const ofService = SERVICE.flatMap((name) => samples[name] ?? [])
  const below = (what: string, figures: readonly number[], most: number): Verdict => {
    const found = spread(figures)
    return { what, found, byRate: null, target: `< ${most}`, isMet: found.median < most }
  }
  const none = (what: string, figures: readonly number[]): Verdict => {
    const found = spread(figures)
    return { what, found, byRate: null, target: 'none', isMet: found.most === 0 }
  }
  return [
    below(
      'peak memory, verify and refresh, MB',
      ofService.map(({ peakMb }) => peakMb),
      130,
    ),
    below(
      'start to ready, ms',
      ofService.map(({ startMs }) => startMs),
      1500,
    ),
    below(
      'storm: peak memory, MB',
      storms.map(({ peakMb }) => peakMb),
      200,
    ),
    below(
      'storm: p99 of verify, ms',
      storms.map(({ p99Ms }) => p99Ms),
      50,
    ),
    none(
      'storm: failed requests',
      storms.map(({ failures }) => failures),
    ),
    below(
      'mails: p99 of verify, ms',
      mailStorms.map(({ p99Ms }) => p99Ms),
      50,
    ),
    below(
      'mails: memory grown in the second half, MB',
      mailStorms.map(({ grownMb }) => grownMb),
      10,
    ),
    none(
      'mails: failed requests',
      mailStorms.map(({ failures }) => failures),
    ),
  ]
}

/** The results as a page. */
export function markdown(
  about: About,
  samples: Samples,
  { storms, mailStorms }: { readonly storms: readonly Storm[]; readonly mailStorms: readonly Storm[] },
  verdicts: readonly Verdict[],
): string {
  const { date, machine, rounds, seconds, connections, loginsAtOnce, storm, mailStorm } = about
  return `# Benchmark

${machine}. ${date}.
${rounds} rounds: fresh processes, warmed up, then ${seconds} s of load on each in short stretches that take turns; ${connections} connections,
for logins ${loginsAtOnce}. Median of the rounds (least–most).

A ratio compares stretches that were next to each other. It is judged by the processor time a request costs the server, which a shared machine
disturbs least; on a core of one's own the ratio by requests per second (by rate) is the same.

${table(
  ['promise', 'found', 'by rate', 'target', ''],
  verdicts.map(({ what, found, byRate, target, isMet }) => [
    what,
    format(found),
    byRate === null ? '' : format(byRate),
    target,
    isMet === null ? '' : isMet ? 'met' : 'missed',
  ]),
)}

${table(
  ['server', 'requests/s', 'CPU µs a request', 'core busy', 'failed', 'peak MB', 'ready ms'],
  Object.entries(samples).map(([name, rounds]) => row(name, rounds)),
)}

${stormTable(storm, storms)}

${stormTable(mailStorm, mailStorms)}
`
}

const STORM_ROWS = ['verifies', 'failures', 'p50Ms', 'p99Ms', 'maxMs', 'othersPerSecond', 'peakMb', 'grownMb'] as const

function stormTable(name: string, storms: readonly Storm[]): string {
  return table(
    [`storm: ${name}`, ''],
    STORM_ROWS.map((column) => [column, format(spread(storms.map((each) => each[column])))]),
  )
}

/** Where the part on services begins. */
export const SERVICES = '\n## What a verification costs a service\n'

/** What was found of services that verify access tokens, as a part of the page; the first sample checks nothing. */
export function servicesSection({ date, machine }: Pick<About, 'date' | 'machine'>, samples: Samples): string {
  const [raw = ''] = Object.keys(samples)
  const rows = Object.entries(samples).map(([name, rounds]) => {
    const [, perSecond = '', cpuUs = '', , failed = ''] = row(name, rounds)
    return [name, format(compare(samples, name, raw, byCpu)), cpuUs, perSecond, failed]
  })
  return `${SERVICES}
${machine}. ${date}.
A Fastify service (Express where it is Auth0's middleware) that answers the same bytes to everybody with a good token, 200 tokens in turn; processor
time a request of the service alone. Strict asks a Latchkey, which shares the other core with the load: its rate is that core's, most of its
processor time is Node's fetch, and what failed was not answered in 300 ms there: 503.
SuperTokens' tokens are its own, of RS256, which is verified in a third of the time.

${table(['service', '÷ no check', 'CPU µs a request', 'requests/s', 'failed'], rows)}
`
}

/** Where the part on growth begins. */
export const GROWTH = '\n## What grows\n'

/** The service on a store with so many sessions. */
export interface Growth {
  readonly store: string
  readonly sessions: number
  /** What the store takes for each session, with the user and the address it belongs to. */
  readonly bytes: number
  readonly startMs: number
  readonly verify: { readonly cpuUs: number; readonly failures: number }
  readonly refresh: { readonly cpuUs: number; readonly failures: number }
}

/** What was found of growth, as a part of the page. */
export function growthSection({ date, machine }: Pick<About, 'date' | 'machine'>, found: readonly Growth[]): string {
  const rows = found.map(({ store, sessions, bytes, verify, refresh, startMs }) => [
    store,
    sessions.toLocaleString('en'),
    bytes.toFixed(0),
    round(verify.cpuUs),
    round(refresh.cpuUs),
    `${verify.failures + refresh.failures}`,
    startMs.toFixed(0),
  ])
  const head = [
    'store',
    'sessions',
    'bytes a session',
    'verify, CPU µs',
    'refresh, CPU µs',
    'failed',
    'start to ready, ms',
  ]
  return `${GROWTH}
${machine}. ${date}.
Each session is its user's only one: its bytes are those of session, user and address with all that the store keeps for itself, in the memory
of Redis or in the file of the embedded store. Processor time a request of thousands of users in turn, median of its stretches.

${table(head, rows)}
`
}

/** Where the part on metrics begins. */
export const METRICS = '\n## What metrics cost\n'

/** One round: two servers that are the same, and one that has metrics besides. */
export type MetricsRound = Readonly<Record<'without' | 'again' | 'with', Sample>>

/** What was found of the cost of metrics, as a part of the page. */
export function metricsSection(
  { date, machine }: Pick<About, 'date' | 'machine'>,
  rounds: readonly MetricsRound[],
): string {
  const found = rounds.flatMap((each) => [each.without, each.again].map((other) => ratioOf(each.with, other, byCpu)))
  const same = rounds.map(({ without, again }) => ratioOf(again, without, byCpu))
  const row = (what: string, ratios: readonly number[], target: string) => {
    const { least, most } = spread(ratios)
    return [what, middle(ratios).toFixed(3), `${round(least)}–${round(most)}`, target]
  }
  return `${METRICS}
${machine}. ${date}.
Verify on Redis, of a server with the operator's listener (ADMIN_PORT), and of two without. ${rounds.length} rounds of fresh processes that take turns; processor
time a request. Two servers that are the same differ by more than metrics cost, so it takes many: the geometric mean of all pairs.

${table(
  ['servers', 'mean', 'least–most', 'target'],
  [row('without metrics ÷ with', found, '≥ 0.97'), row('without ÷ without', same, '1')],
)}
`
}

export const FACTORS = '\n## What second factors cost\n'

/** What is compared there: each with what it is to be like. */
const LIKE: readonly (readonly [what: string, like: string])[] = [
  ['refresh, app and three passkeys', 'refresh'],
  ['verify ?acr=aal2', 'verify'],
]

/** What was found of the cost of second factors, as a part of the page. */
export function factorsSection({ date, machine }: Pick<About, 'date' | 'machine'>, samples: Samples): string {
  const beside = (name: string) =>
    spread(
      (samples[name] ?? []).map(({ stretches }, round) => {
        const others = samples['argon2']?.[round]?.stretches ?? []
        return median(stretches.map(({ cpuUs }, place) => cpuUs - (others[place]?.cpuUs ?? NaN))) / 1000
      }),
    )
  const rows = Object.entries(samples).map(([name, rounds]) => {
    const [, perSecond = '', cpuUs = '', , failed = ''] = row(name, rounds)
    const isLogin = name.startsWith('login')
    const like = LIKE.find(([what]) => what === name)?.[1]
    const ratio = like === undefined ? '' : format(compare(samples, name, like, byCpu))
    return [name, cpuUs, isLogin ? format(beside(name)) : '', ratio, perSecond, failed]
  })
  return `${FACTORS}
${machine}. ${date}.
Processor time a request on Redis; a login in two steps is two requests, counted as one. What a login costs beside the hash is the difference to bare
argon2 in the stretch beside it. Before: the service at the commit before second factors.

${table(['', 'CPU µs', 'beside the hash, ms', '÷ without', 'a second', 'failed'], rows)}
`
}

/** The geometric mean: the right one for ratios. */
function middle(ratios: readonly number[]): number {
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length)
}

function spread(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) }
}

/** The middle one, or what is between the two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return ((low ?? NaN) + (high ?? NaN)) / 2
}

function format({ median, least, most }: Spread): string {
  return `${round(median)} (${round(least)}–${round(most)})`
}

/** Three digits that matter. */
function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
