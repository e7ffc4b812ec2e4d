import t from 'tap'
import { firstStep, secondStep, withApp, withPasskey } from '../support/factors.ts'
import { openHome } from '../support/home.ts'
import { type Command, makeWatched } from '../support/watched-store.ts'

const watched = makeWatched()

/** How many commands of each kind the store is given meanwhile. */
async function commandsOf(deed: () => Promise<unknown>): Promise<Record<Command['kind'], number>> {
  const given = { get: 0, getMany: 0, commit: 0, count: 0 }
  watched.watch = (command, run) => {
    given[command.kind] += 1
    return run()
  }
  await deed()
  watched.watch = null
  return given
}

t.test('what a login in two steps asks of the store', async (t) => {
  const home = await openHome({}, { store: watched.around })
  t.teardown(home.close)
  const plain = await home.newcomer()
  const [app, passkey] = [await withApp(home), await withPasskey(home)]
  const body = { email: plain.email, password: plain.password }
  const login = await commandsOf(async () => t.equal((await home.call('POST', '/v1/login', { body })).status, 200))
  t.comment('login', login)

  await t.test('the first step commits nothing, and asks less than a login', async (t) => {
    const step = await commandsOf(() => firstStep(home, app))
    t.comment(step)
    t.equal(step.commit, 0)
    t.ok(total(step) < total(login))
  })

  await t.test('the second step is one commit, as a login is, by each factor', async (t) => {
    t.equal(login.commit, 1)
    const byApp = (await firstStep(home, app))['challenge']
    const byCode = (await firstStep(home, app))['challenge']
    const byPasskey = await firstStep(home, passkey)
    const proven = passkey.passkey.assert(byPasskey['public_key'])
    for (const [challenge, factor] of [
      [byApp, { totp: app.app.code() }],
      [byCode, { recovery_code: app.recovery_codes[0] }],
      [byPasskey['challenge'], { passkey: proven }],
    ] as const) {
      const step = await commandsOf(async () => t.equal((await secondStep(home, challenge, factor)).status, 200))
      t.comment(Object.keys(factor)[0], step)
      t.equal(step.commit, 1)
      t.ok(total(step) <= total(login) + 1)
    }
  })
})

const total = (given: Record<Command['kind'], number>) => Object.values(given).reduce((sum, each) => sum + each, 0)
