import type { Page } from 'playwright-core'
import { type Scenario, together, type Trial } from '../scenario.ts'
import { newVisitor, type Visitor } from '../visitor.ts'

export const realBrowser: Scenario = {
  letter: 'J',
  name: 'a real browser',
  about:
    'Two tabs of one Chromium, which keeps the cookies itself. Each round both put something into the cart at once, one is reloaded, and all must be there; midway a server is ended by kill -9 and started again. Then one tab logs out, and the other must be out.',
  async run(trial) {
    await together(trial.size(1, 4), (turn) => browse(trial, turn === 0))
  },
}

async function browse(trial: Trial, killsServer: boolean): Promise<void> {
  const { fleet, tally, browser } = trial
  const rounds = trial.size(2, 12)
  const context = await browser.newPerson()
  // What the site's own page would be: nothing but a place to send from.
  await context.route('**/app', (route) => route.fulfill({ contentType: 'text/html', body: '<title>lab</title>' }))
  const open = async (): Promise<Page> => {
    const page = await context.newPage()
    await page.goto(`http://localhost:${fleet.port}/app`)
    return page
  }
  try {
    const [page, second] = [await open(), await open()]
    const visitor = await newVisitor(trial)
    visitor.device.move({ page })
    await visitor.login()
    const tab = visitor.device.tab()
    tab.move({ page: second })
    for (let round = 0; round < rounds; round += 1) {
      await Promise.all([visitor.add(`here-${round}`), visitor.add(`there-${round}`, tab)])
      if (killsServer && round === rounds / 2) await crash(trial)
      await page.reload()
      await visitor.renew()
      await visitor.checkCart()
    }
    if ((await visitor.device.logout()).kind !== 'ok') tally.counts.failed += 1
    await isOut(trial, tab)
  } finally {
    await context.close()
  }
}

async function crash({ fleet }: Trial): Promise<void> {
  await fleet.servers[1]?.kill()
  await fleet.servers[1]?.start()
}

/** The other tab is tried often enough to meet every server. */
async function isOut({ fleet, tally }: Trial, tab: Visitor['device']): Promise<void> {
  const endedAt = fleet.now()
  for (let turn = 0; turn < 6; turn += 1) {
    const at = fleet.now()
    tally.counts.outOf += 1
    if ((await tab.whoAmI()).kind === 'ok') tally.stale(at, endedAt)
  }
}
