import { parseArgs } from 'node:util'
import { summarise } from './report.ts'
import { runStandalone } from './standalone.ts'
import type { Broken } from './broken.ts'

const { values } = parseArgs({
  options: { minutes: { type: 'string' }, seed: { type: 'string' }, broken: { type: 'string' } },
})
const seed = Number(values.seed ?? Date.now() % 1_000_000)
const broken = values.broken as Broken | undefined
const outcome = await runStandalone({
  seed,
  ms: Number(values.minutes ?? 10) * 60_000,
  ...(broken === undefined ? {} : { broken }),
})
process.stdout.write(`${summarise(outcome, outcome.faults)}\n`)
process.exit(outcome.violations.length === 0 ? 0 : 1)
