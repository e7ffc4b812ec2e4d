import { anotherServer } from './scenarios/a-another-server.ts'
import { cart } from './scenarios/b-cart.ts'
import { settings } from './scenarios/c-settings.ts'
import { restarts } from './scenarios/d-restarts.ts'
import { logout } from './scenarios/e-logout.ts'
import { password } from './scenarios/f-password.ts'
import { answers } from './scenarios/g-answers.ts'
import { clocks } from './scenarios/i-clocks.ts'
import { openAccounts } from './accounts.ts'
import { type Contender, CONTENDERS, installContenders } from './contenders.ts'
import { startFleet } from './fleet.ts'
import { randomFrom, type Scenario, type Trial } from './scenario.ts'
import { makeTally } from './tally.ts'

const SCENARIOS: readonly Scenario[] = [anotherServer, cart, settings, logout, password, answers, clocks, restarts]
const isQuick = process.argv.includes('--quick') || process.env['QUICK'] === '1'
const only = process.env['ONLY']
const letters = process.env['SCENARIOS']

await installContenders()
const accounts = await openAccounts()
for (const contender of CONTENDERS) {
  if (only !== undefined && !contender.name.includes(only)) continue
  await go(contender)
}
accounts.stop()

async function go(contender: Contender) {
  const from = performance.now()
  const fleet = await startFleet(contender, accounts, contender.stores[0])
  console.log(contender.name, 'up', Math.round(performance.now() - from))
  try {
    for (const scenario of SCENARIOS) {
      if (letters !== undefined && !letters.includes(scenario.letter)) continue
      const start = performance.now()
      const tally = makeTally()
      const size = (quick: number, full: number) => (isQuick ? quick : full)
      const trial: Trial = { fleet, tally, random: randomFrom(7), size }
      await scenario.run(trial).catch((e: unknown) => console.log('FAILED', e))
      const { counts } = tally
      console.log(
        scenario.letter,
        Math.round(performance.now() - start),
        Object.entries(counts)
          .filter(([, v]) => v)
          .join(' '),
      )
    }
    console.log([...fleet.statuses].join(' '))
  } finally {
    await fleet.stop()
  }
}
