import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { mailTo } from '../test/support/env.ts'
import { startRedis } from '../test/support/redis.ts'
import { startSmtp } from '../test/support/smtp.ts'
import type { Exchange } from './drive.ts'
import { exchange, inTurn, openLoad, pace } from './drive.ts'
import type { Samples, Storm } from './report.ts'
import { judge, markdown } from './report.ts'
import { saveComparison } from './results.ts'
import { bareArgon2, CONNECTIONS, measure, type Subject, underLoad } from './rounds.ts'
import type { Started } from './servers.ts'
import { LOGINS_AT_ONCE, type Place, settle } from './settle.ts'
import {
  describeMachine,
  installContenders,
  readPeakMb,
  shareOutCores,
  startContender,
  startLatchkey,
} from './servers.ts'
import { bearers, forgets, logins, NO_LIMIT, refreshes, SETTINGS } from './traffic.ts'

// What is measured: the service on Redis and embedded, beside small contenders on the same Redis, taking turns.

const isQuick = process.env['QUICK'] === '1'
const ROUNDS = Number(process.env['ROUNDS'] ?? (isQuick ? 1 : 3))
const SECONDS = Number(process.env['SECONDS'] ?? (isQuick ? 1 : 3))
/** Half of a storm. With mails the heap takes half a minute until it grows no more. */
const [STORM_MS, MAIL_STORM_MS] = isQuick ? [2000, 2000] : [4000, 30_000]
const WARM_STORM_MS = 1000
const STORM_LOGINS = 64
const STORM_VERIFIES_PER_SECOND = 200
const MAILS_PER_SECOND = 200

await installContenders()
const cores = await shareOutCores()
const redis = await startRedis()
const smtp = await startSmtp()
const mailEnv = { ...mailTo(smtp.url), LIMIT_MAIL: NO_LIMIT, LIMIT_MAIL_TOTAL: NO_LIMIT }
const dataDir = await mkdtemp(join(tmpdir(), 'latchkey-bench-'))

try {
  await bench()
} finally {
  await smtp.stop()
  await redis.stop()
  await rm(dataDir, { recursive: true, force: true })
}

async function bench(): Promise<void> {
  say(describeMachine(cores))
  const onRedis = await settle({ ...SETTINGS, REDIS_URL: redis.url })
  const embedded = await settle({ ...SETTINGS, DATA_DIR: dataDir })
  const subjects: Record<string, () => Promise<Subject>> = {
    raw: () => contender('raw', onRedis, bearers(onRedis.accounts)),
    'verify on Redis': () => latchkey(onRedis, bearers(onRedis.accounts)),
    'verify embedded': () => latchkey(embedded, bearers(embedded.accounts)),
    refresh: () => latchkey(onRedis, refreshes(onRedis.accounts)),
    'naive JWT': () => contender('naive-jwt', onRedis, bearers(onRedis.accounts)),
    '@fastify/session': () => sessions('fastify-session', onRedis),
    'express-session': () => sessions('express-session', onRedis),
    argon2: () => bareArgon2(cores),
    login: () => latchkey(onRedis, logins(onRedis.accounts), LOGINS_AT_ONCE),
  }
  const samples: Samples = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]))
  const storms: Storm[] = []
  const mailStorms: Storm[] = []
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [name, sample] of Object.entries(await measure(subjects, SECONDS))) samples[name]?.push(sample)
    storms.push(await storm(onRedis, {}, manyLogins, STORM_MS))
    say(`round ${round} of ${ROUNDS}`)
  }
  mailStorms.push(await storm(onRedis, mailEnv, manyMails, MAIL_STORM_MS))
  await save(samples, storms, mailStorms)
}

async function save(samples: Samples, storms: readonly Storm[], mailStorms: readonly Storm[]): Promise<void> {
  const about = {
    date: new Date().toISOString(),
    machine: describeMachine(cores),
    rounds: ROUNDS,
    seconds: SECONDS,
    connections: CONNECTIONS,
    loginsAtOnce: LOGINS_AT_ONCE,
    storm: `${STORM_LOGINS} logins at once, ${STORM_VERIFIES_PER_SECOND} verifies a second`,
    mailStorm: `${MAILS_PER_SECOND} forgotten passwords and ${STORM_VERIFIES_PER_SECOND} verifies a second`,
  }
  const verdicts = judge(samples, storms, mailStorms)
  const table = markdown(about, samples, { storms, mailStorms }, verdicts)
  process.stdout.write(table)
  if (isQuick) return // a glance, not a result
  await saveComparison(table, `${JSON.stringify({ about, verdicts, samples, storms, mailStorms }, rounded, 1)}\n`)
}

async function latchkey({ env }: Place, next: () => Exchange, connections = CONNECTIONS): Promise<Subject> {
  return underLoad(await startLatchkey(cores, env), next, connections)
}

async function contender(name: string, place: Place, next: () => Exchange): Promise<Subject> {
  return underLoad(await startContender(cores, name, place.contender), next)
}

async function sessions(name: string, place: Place): Promise<Subject> {
  const server = await startContender(cores, name, place.contender)
  const cookies = await Promise.all(
    place.accounts.map(async () => {
      const { headers } = await server.call('POST', '/login')
      return headers.getSetCookie()[0]?.split(';')[0] ?? ''
    }),
  )
  return underLoad(server, inTurn(cookies.map((cookie) => exchange('GET /v1/verify', { headers: { cookie } }))))
}

/** What others do in a storm, and what came of it. */
type Others = (server: Started, place: Place, forMs: number) => Promise<{ failures: number; perSecond: number }>

/** As many log in at once as there are connections. */
async function manyLogins(server: Started, { accounts }: Place, forMs: number) {
  const load = await openLoad(server.port, STORM_LOGINS, logins(accounts))
  const { answers, failures, ms } = await load.run(forMs)
  load.close()
  return { failures, perSecond: (answers / ms) * 1000 }
}

/** People ask for mails to reset their passwords; half of them have no account. */
async function manyMails(server: Started, { accounts }: Place, forMs: number) {
  const paced = await pace(server.port, { perSecond: MAILS_PER_SECOND, forMs, next: forgets(accounts) })
  return { failures: paced.failures, perSecond: ((paced.latencies.length - paced.failures) / forMs) * 1000 }
}

/** Others do much while some go on verifying, at a modest rate; for as long again, to see whether memory grows. */
async function storm(place: Place, env: Record<string, string>, others: Others, halfMs: number): Promise<Storm> {
  const server = await startLatchkey(cores, { ...place.env, ...env })
  const rate = { perSecond: STORM_VERIFIES_PER_SECOND, forMs: halfMs, next: bearers(place.accounts) }
  await Promise.all([others(server, place, WARM_STORM_MS), pace(server.port, rate)]) // warm up: then there is a calm
  const both = Promise.all([others(server, place, 2 * halfMs), pace(server.port, { ...rate, forMs: 2 * halfMs })])
  await sleep(halfMs)
  const firstMb = readPeakMb(server.pid)
  const [done, verified] = await both
  const peakMb = readPeakMb(server.pid)
  await server.kill()
  const latencies = verified.latencies.toSorted((one, other) => one - other)
  const percentile = (part: number) => latencies[Math.ceil(latencies.length * part) - 1] ?? NaN
  return {
    verifies: latencies.length,
    failures: done.failures + verified.failures,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    maxMs: percentile(1),
    othersPerSecond: done.perSecond,
    peakMb,
    grownMb: peakMb - firstMb,
  }
}

/** Figures with more digits than they are worth make a long file. */
function rounded(_name: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
