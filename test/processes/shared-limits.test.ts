import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { NO_LIMITS } from '../support/env.ts'
import type { Newcomer } from '../support/home.ts'
import { type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'

// Failed guesses where processes share an embedded store, die, and have no room to count.

const PASSWORD = 'seven red bicycles in the rain'
const WRONG = 'no such bicycles in this rain'

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-shared-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

async function start(t: Test, dir: string): Promise<Service> {
  const limits = { LIMIT_FAILURES: '6/15m', LIMIT_ACCOUNT_FAILURES: '1000/1h' }
  const service = await startService({ ISSUER: 'http://localhost:3000', ...NO_LIMITS, ...limits, DATA_DIR: dir })
  t.teardown(() => service.kill())
  return service
}

async function register(at: Service, email: string): Promise<Newcomer> {
  const answer = await at.call('POST', '/v1/register', { body: { email, password: PASSWORD } })
  t.equal(answer.status, 201)
  return { email, ...answer.body }
}

const login = (at: Service, email: string, password = WRONG) =>
  at.call('POST', '/v1/login', { body: { email, password } })

const guessBehindToken = (at: Service, { access_token: token }: Newcomer) =>
  at.call('DELETE', '/v1/me', { token, body: { password: WRONG } })

t.test('processes on one folder count failed guesses together, and whoever is killed takes none along', async (t) => {
  const dir = await folder(t)
  const [one, two] = [await start(t, dir), await start(t, dir)]
  const me = await register(one, 'shared@example.org')
  const both = [one, two]
  for (let turn = 0; turn < 4; turn += 1) {
    t.equal((await login(both[turn % 2] as Service, me.email)).status, 401)
    t.equal((await guessBehindToken(both[turn % 2] as Service, me)).status, 403)
  }
  await two.kill()
  const three = await start(t, dir)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, turn) => login([one, three][turn % 2] as Service, me.email)),
  )
  t.equal(answers.filter(({ status }) => status === 401).length, 2, 'six in all')
  t.ok(answers.every(({ status }) => [401, 429].includes(status)))
  for (const at of [one, three]) t.equal((await login(at, me.email, PASSWORD)).status, 429)
  t.equal((await guessBehindToken(one, me)).status, 403)
  t.equal((await guessBehindToken(three, me)).status, 403)
  for (const at of [one, three]) t.equal((await guessBehindToken(at, me)).status, 429)
})

t.test('on a full disk, where no failure can be counted, no guess is answered', async (t) => {
  const one = await start(t, await folder(t))
  const me = await register(one, 'full@example.org')
  const limit = (bytes: string) =>
    promisify(execFile)('prlimit', ['--pid', String(one.pid), `--fsize=${bytes}:unlimited`])
  await limit('8192')
  const asks = [() => login(one, me.email), () => login(one, 'nobody@example.org'), () => guessBehindToken(one, me)]
  for (const ask of asks)
    for (let guesses = 0; guesses < 8; guesses += 1)
      t.match(await ask(), { status: 503, body: { code: 'store_unavailable' } })
  await limit('unlimited')
  await eventually(async () => (await login(one, me.email)).status === 401, { within: 5000 })
})
