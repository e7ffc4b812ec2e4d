import { freePort } from '../test/support/free-port.ts'
import { startRedis } from '../test/support/redis.ts'
import { type MetricsRound, metricsSection } from './report.ts'
import { saveMetrics } from './results.ts'
import { CONNECTIONS, measure, underLoad } from './rounds.ts'
import { describeMachine, shareOutCores, startLatchkey } from './servers.ts'
import { settle } from './settle.ts'
import { bearers, SETTINGS } from './traffic.ts'

// What it costs verify that the operator's listener counts.

const isQuick = process.env['QUICK'] === '1'
const ROUNDS = isQuick ? 1 : 12
const SECONDS = isQuick ? 1 : 3

const cores = await shareOutCores()
const redis = await startRedis()
try {
  const { env, accounts } = await settle({ ...SETTINGS, REDIS_URL: redis.url })
  const start = async (more: Record<string, string>) =>
    underLoad(await startLatchkey(cores, { ...env, ...more }), bearers(accounts), CONNECTIONS)
  const watched = { ADMIN_PORT: `${await freePort()}` }
  const servers = [
    ['without', {}],
    ['with', watched],
    ['again', {}],
  ] as const
  const rounds: MetricsRound[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const turned = servers.map((_, place) => servers[(place + round) % servers.length] ?? servers[0])
    const subjects = Object.fromEntries(turned.map(([name, more]) => [name, () => start(more)]))
    rounds.push((await measure(subjects, SECONDS)) as MetricsRound)
    process.stderr.write(`round ${round + 1} of ${ROUNDS}\n`)
  }
  const section = metricsSection({ date: new Date().toISOString(), machine: describeMachine(cores) }, rounds)
  process.stdout.write(section)
  if (!isQuick) await saveMetrics(section)
} finally {
  await redis.stop()
}
