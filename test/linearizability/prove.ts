import { parseArgs } from 'node:util'
import { runClusterLosses, runSentinelFailovers } from './failovers.ts'
import { summarise } from './report.ts'
import { runStandalone } from './standalone.ts'

// npm run prove -- --minutes 10 --failovers 20 --losses 5 --seed 1: long runs, each as long as told; ten minutes on one Redis unless told.

const text = { type: 'string' } as const
const { values } = parseArgs({ options: { minutes: text, failovers: text, losses: text, seed: text } })
const isTold = Object.keys(values).some((name) => name !== 'seed')
const seed = Number(values.seed ?? Date.now() % 1_000_000)
const wanted = {
  'one Redis': [
    Number(values.minutes ?? (isTold ? 0 : 10)),
    (minutes: number) => runStandalone({ seed, ms: minutes * 60_000 }),
  ],
  Sentinel: [Number(values.failovers ?? 0), (count: number) => runSentinelFailovers({ seed, count })],
  Cluster: [Number(values.losses ?? 0), (count: number) => runClusterLosses({ seed, count })],
} as const

let violations = 0
for (const [name, [amount, prove]] of Object.entries(wanted)) {
  if (amount === 0) continue
  const outcome = await prove(amount)
  violations += outcome.violations.length
  process.stdout.write(`${name}: ${summarise(outcome, outcome.faults)}\n`)
}
process.exit(violations === 0 ? 0 : 1)
