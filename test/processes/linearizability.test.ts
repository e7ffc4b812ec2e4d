import t from 'tap'
import { BROKEN } from '../linearizability/broken.ts'
import { isDone, type Operation } from '../linearizability/history.ts'
import { summarise, tell } from '../linearizability/report.ts'
import { exitPlainly } from '../support/plain-exit.ts'
import { runStandalone } from '../linearizability/standalone.ts'

// Three instances behind nginx, 32 clients, 50 sessions, faults at random. `npm run prove` runs it for longer; SEED repeats its choices.

exitPlainly(t)
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
t.comment(`SEED=${seed}`)

const SHOWN = 100
const RARE = ['reset', 'give-role', 'take-role', 'disable', 'enable', 'remove', 'second-step', 'step-up'] as const
const haveAll = (operations: readonly Operation[]) =>
  RARE.every((kind) => operations.some((operation) => operation.kind === kind && isDone(operation)))

t.test('no answer breaks a promise while stores, instances and connections fail', async (t) => {
  const enoughAt = performance.now() + 20_000
  const outcome = await runStandalone({
    seed,
    ms: 100_000,
    isEnough: ({ ofEnded, ofAlive }, operations) =>
      performance.now() > enoughAt && ofEnded > SHOWN && ofAlive > SHOWN && haveAll(operations),
  })
  t.comment(summarise(outcome, outcome.faults))
  t.strictSame(outcome.violations.map(tell), [])
  t.ok(
    haveAll(outcome.operations),
    'somebody was back in by mail, somebody proved a second factor, and the operator did everything',
  )
  t.ok(outcome.ofEnded > SHOWN, 'what was ended was shown again')
  t.ok(outcome.ofAlive > SHOWN, 'what nobody had ended was shown')
})

for (const broken of BROKEN) {
  t.test(`the checker sees a build with ${broken}`, async (t) => {
    const { violations } = await runStandalone({ seed, broken, isEnough: (found) => found.violations.length > 0 })
    const [first] = violations
    t.equal(first?.kind, broken === 'unspent-code' ? 'spent twice' : 'accepted after its end')
    if (first) t.comment(tell(first))
  })
}
