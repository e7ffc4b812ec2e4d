import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { removeAllFactors } from '../../src/auth/factors/remove.ts'
import { TEST_SECRET } from '../support/env.ts'
import { firstStep, secondStep, withApp, withPasskey } from '../support/factors.ts'
import { type Home, type Newcomer, openHome } from '../support/home.ts'

const NEXT_SECRET = 'Vb8mT3xQ6rLw1ZkN9cHs5FpJ2yGd7UaE4oXiRtBvMqY'
const NOBODY = { ip: '', network: '', userAgent: '', requestId: '' }

t.test(
  'whoever logs in while both secrets are in force keeps every factor; the others keep their passkeys',
  async (t) => {
    const DATA_DIR = await mkdtemp(join(tmpdir(), 'latchkey-rotation-'))
    t.teardown(() => rm(DATA_DIR, { recursive: true }))
    let home: Home | null = null
    t.teardown(() => home?.close())
    const open = async (AUTH_SECRET: string): Promise<Home> => {
      const now = home?.clock.now ?? Date.now()
      await home?.close()
      home = null
      home = await openHome({ DATA_DIR, AUTH_SECRET })
      home.clock.now = now
      return home
    }
    const logIn = async (at: Home, person: Newcomer, factor: object) =>
      (await secondStep(at, (await firstStep(at, person))['challenge'], factor)).status

    const before = await open(TEST_SECRET)
    const [here, app] = [await withApp(before), await withApp(before)]
    const away = await withPasskey(before, { me: app })
    const between = await open(`${NEXT_SECRET},${TEST_SECRET}`)
    t.equal(await logIn(between, here, { recovery_code: here.recovery_codes[0] }), 200)

    const after = await open(NEXT_SECRET)
    for (const [person, status] of [
      [here, 200],
      [app, 401],
    ] as const) {
      t.equal(await logIn(after, person, { recovery_code: person.recovery_codes[1] }), status)
      t.equal(await logIn(after, person, { totp: person.app.code() }), status)
    }
    const { challenge, public_key } = (await after.call('POST', '/v1/login/passkey/options')).body
    const body = { challenge, response: away.passkey.assert(public_key) }
    t.equal((await after.call('POST', '/v1/login/passkey', { body })).status, 200)
    t.ok(await removeAllFactors(after.deps, away.user.id, NOBODY))
    const { email, password } = away
    t.equal((await after.call('POST', '/v1/login', { body: { email, password } })).status, 200)
  },
)
