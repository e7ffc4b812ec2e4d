import t from 'tap'
import { type FailoverOptions, runClusterLosses, runSentinelFailovers } from '../linearizability/failovers.ts'
import { exitPlainly } from '../support/plain-exit.ts'
import { summarise, tell } from '../linearizability/report.ts'

// The same clients and the same checker while primaries go; `npm run prove` lets more of them go.

exitPlainly(t)
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
t.comment(`SEED=${seed}`)

const runs: Record<string, readonly [typeof runSentinelFailovers, FailoverOptions]> = {
  'a clean failover and a killed primary under Sentinel': [runSentinelFailovers, { seed, count: 2 }],
  'a killed primary of a Cluster': [runClusterLosses, { seed, count: 1 }],
}

for (const [name, [run, options]] of Object.entries(runs)) {
  t.test(`${name} break no promise`, async (t) => {
    const outcome = await run(options)
    t.comment(summarise(outcome, outcome.faults))
    t.strictSame(outcome.violations.map(tell), [])
    t.ok(outcome.ofEnded > 0, 'what was ended was shown again')
    t.ok(outcome.ofAlive > 0, 'what nobody had ended was shown')
  })
}
