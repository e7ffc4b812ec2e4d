import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { counters } from '../../src/store/keys.ts'
import { openHome } from '../support/home.ts'

// What the embedded store counts: failures for as long as their window, requests in a memory that no flood of others clears.

const PASSWORD = 'seven red bicycles in the rain'
const WRONG = 'no such bicycles in this rain'
const STRANGER = '198.51.100.1'

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-lasting-'))
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}

t.test('failed guesses outlast a restart', async (t) => {
  const env = { DATA_DIR: await folder(t), LIMIT_FAILURES: '3/15m', LIMIT_ACCOUNT_FAILURES: '5/1h' }
  let home = await openHome(env)
  t.teardown(() => home.close())
  const me = await home.newcomer()
  const guess = async (ip: string, password = WRONG) =>
    (await home.call('POST', '/v1/login', { body: { email: me.email, password }, ip })).status
  const change = async (password: string) => {
    const body = { current_password: password, new_password: PASSWORD }
    return (await home.call('POST', '/v1/password', { token: me.access_token, body })).status
  }
  for (let guesses = 0; guesses < 3; guesses += 1) t.equal(await guess(STRANGER), 401)
  for (let guesses = 0; guesses < 3; guesses += 1) t.equal(await change(WRONG), 403)
  await home.close()
  home = await openHome(env)
  t.equal(await guess(STRANGER, PASSWORD), 429, 'of an address')
  t.equal(await change(PASSWORD), 429, 'behind a token')
  t.strictSame([await guess('198.51.100.2'), await guess('198.51.100.3')], [401, 401])
  t.equal(await guess('198.51.100.4', PASSWORD), 429, 'over all addresses')
  t.equal(await guess('127.0.0.1', PASSWORD), 200, 'and the owner is known')
})

t.test('thousands of other addresses do not make the service forget what one has asked', async (t) => {
  const home = await openHome({ LIMIT_LOGIN: '2/10m' })
  t.teardown(home.close)
  const ask = async (ip: string) => (await home.call('POST', '/v1/login', { body: {}, ip })).status
  t.strictSame([await ask(STRANGER), await ask(STRANGER), await ask(STRANGER)], [400, 400, 429])
  for (let address = 0; address < 20_000; address += 1) {
    const key = counters.requests('login', `10.1.${address >> 8}.${address & 255}`, '')
    await home.deps.store.count({ counters: [{ key, count: 2, windowMs: 600_000 }], adds: true, mayBeLost: true })
  }
  t.equal(await ask(STRANGER), 429)
})

t.test('guesses sent all at once are no more than the limit, the right one among them too', async (t) => {
  const home = await openHome({ LIMIT_FAILURES: '5/15m' })
  t.teardown(home.close)
  const me = await home.newcomer()
  const guesses = Array.from({ length: 30 }, (_, place) => (place === 29 ? PASSWORD : WRONG))
  const answers = await Promise.all(
    guesses.map((password) => home.call('POST', '/v1/login', { body: { email: me.email, password }, ip: STRANGER })),
  )
  const count = (wanted: number) => answers.filter(({ status }) => status === wanted).length
  t.strictSame([count(401), count(429)], [5, 25])
})
