import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { ADMIN, ADMIN_KEY, DEAR } from '../support/env.ts'
import { startChild } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { startRedis } from '../support/redis.ts'
import { complaints } from '../support/settings.ts'
import { callAt, type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'

// Runs the files that README.md and docs show, as they stand there, but for the ports: test/docs/pages.test.ts holds page and file equal.

/** How docs/mail.md starts a service whose mails become files. */
const WITH_MAIL = 'MAIL_URL=file:./mails MAIL_FROM=support@example.org APP_URL=http://localhost:8080 npm start'

/** How docs/machines.md adds a client. */
const CLIENT = "npm run --silent admin -- client add 'nightly report' --scope orders:read"
const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))

const { PATH, HOME } = process.env
const dir = await mkdtemp(join(tmpdir(), 'latchkey-snippets-'))
const adminPort = await freePort()
const service = await startService({ DATA_DIR: join(dir, 'data'), ...DEAR, ...ADMIN, ADMIN_PORT: `${adminPort}` })
t.teardown(async () => {
  await service.stop('SIGINT')
  await rm(dir, { recursive: true })
})

/** A text that speaks of other places than those it is shown with. */
function moved(text: string, places: Readonly<Record<string, string>>): string {
  return Object.entries(places).reduce((before, [shown, real]) => {
    if (!before.includes(shown)) throw new Error(`there is no ${shown}`)
    return before.replaceAll(shown, real)
  }, text)
}

async function readExample(name: string, places: Readonly<Record<string, string>>): Promise<string> {
  return moved(await readFile(join('examples', name), 'utf8'), places)
}

const OURS = { 'http://localhost:3000': `http://localhost:${service.port}` }

/** What bash prints that is given the text, in a folder of its own. */
async function runInBash(text: string): Promise<string> {
  const { stdout } = await promisify(execFile)('bash', ['-c', text], { cwd: dir, env: { PATH, HOME } })
  return stdout
}

t.test(
  'the first session registers, says who it is, gets one token twice, and is refused once logged out',
  async (t) => {
    const printed = await runInBash(await readExample('first-session.sh', OURS))
    const [registered = '', me = '', first = '', again = '', ...rest] = printed.split('\n')
    t.match(JSON.parse(registered), { access_token: /^eyJ/, refresh_token: String })
    t.match(JSON.parse(me), { id: String, email: /^ada-\d+@example\.org$/ })
    t.match(JSON.parse(first), { access_token: /^eyJ/, token_type: 'Bearer', refresh_token: String })
    t.equal(JSON.parse(again).refresh_token, JSON.parse(first).refresh_token)
    const statuses = rest.filter((line) => line.startsWith('HTTP/1.1 ')).map((line) => line.split(' ')[1])
    t.strictSame(statuses, ['204', '401'])
    t.match(rest.join('\n'), /"code":"token_revoked"/)
  },
)

t.test('the session in a cookie is opened, refreshed and ended by it', async (t) => {
  const printed = await runInBash(await readExample('cookie-session.sh', OURS))
  const statuses = printed.split('\n').filter((line) => line.startsWith('HTTP/1.1 '))
  t.strictSame(
    statuses.map((line) => line.split(' ')[1]),
    ['201', '200', '204'],
  )
  const cookies = [...printed.matchAll(/^set-cookie: (__Host-refresh_token=\S*);/gim)].map(([, cookie]) => cookie)
  t.equal(new Set(cookies).size, 3, 'two tokens, and none at the end')
  t.notMatch(printed, /"refresh_token"/)
})

t.test(
  'an app is enrolled, asked for at the next login, and a recovery code is enough for a step-up, once',
  async (t) => {
    const printed = await runInBash(await readExample('second-factor.sh', OURS))
    const [begun, confirmed, asked, opened, refused, stepped, factors] = printed.split('\n')
    t.match(JSON.parse(begun ?? ''), { secret: /^[A-Z2-7]{32}$/, uri: /^otpauth:/ })
    t.equal(JSON.parse(confirmed ?? '').recovery_codes.length, 10)
    t.match(JSON.parse(asked ?? ''), {
      status: 401,
      code: 'second_factor_required',
      factors: ['totp', 'recovery_code'],
    })
    t.match(JSON.parse(opened ?? ''), { access_token: /^eyJ/, user: { id: String } })
    t.match(JSON.parse(refused ?? ''), { status: 403, code: 'step_up_required', max_age: 300 })
    t.match(JSON.parse(stepped ?? ''), { access_token: /^eyJ/ })
    t.strictSame(JSON.parse(factors ?? ''), { totp: true, recovery_codes_left: 9, passkeys: [] })
  },
)

t.test('a forgotten password is set anew by the mail that has become a file', async (t) => {
  const settings = Object.fromEntries(
    moved(WITH_MAIL, { './mails': join(dir, 'mails') })
      .split(' ')
      .slice(0, -2)
      .map((setting) => setting.split('=')),
  )
  const mailing = await startService({ DATA_DIR: join(dir, 'mailing'), ...settings })
  t.teardown(() => mailing.stop('SIGINT'))
  const printed = await runInBash(await readExample('forgotten-password.sh', { 'http://localhost:3000': mailing.url }))
  const statuses = printed.split('\n').filter((line) => line.startsWith('HTTP/1.1 '))
  t.strictSame(
    statuses.map((line) => line.split(' ')[1]),
    ['202', '204', '200'],
  )
  t.match(printed, /^Subject: .*password/im, 'the mail is shown')
  t.match(printed, /"access_token":"eyJ/)
})

t.test('a machine gets a token, is let in, asks about the token, and revokes it', async (t) => {
  const order = moved(CLIENT, { 'npm run --silent admin --': `${process.execPath} ${MAIN} admin` })
  const added = await runInBash(`export ADMIN_PORT=${adminPort} ADMIN_KEY=${ADMIN_KEY}; ${order}`)
  await writeFile(join(dir, 'client-secret.json'), added)
  const printed = await runInBash(await readExample('machine.sh', OURS))
  const [token = '', ...rest] = printed.split('\n')
  t.match(JSON.parse(token), { access_token: /^eyJ/, scope: 'orders:read' })
  const statuses = rest.filter((line) => line.startsWith('HTTP/1.1 ')).map((line) => line.split(' ')[1])
  t.strictSame(statuses, ['204', '200'])
  const told = rest.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
  t.match(told, [{ active: true, sub: /^client\./, scope: 'orders:read' }, { active: false }])
  t.match(printed, /^x-auth-subject: client\./m)
})

t.test('two instances by hand know each other’s tokens, and Ctrl-C ends both', async (t) => {
  const [redis, one, other] = await Promise.all([startRedis(), freePort(), freePort()])
  t.teardown(redis.stop)
  const places = { 'redis://localhost': redis.url, 3001: `${one}`, 3002: `${other}` }
  const text = await readExample('two-instances.sh', places)
  const group = spawn('bash', ['-c', text], { detached: true, env: { PATH, HOME }, stdio: 'ignore' })
  const end = (signal: NodeJS.Signals) => {
    try {
      process.kill(-(group.pid as number), signal)
    } catch {
      return true
    }
    return false
  }
  process.on('exit', () => end('SIGKILL'))

  const doors = [one, other].map((port) => callAt(`http://127.0.0.1:${port}`))
  for (const call of doors)
    await eventually(async () => (await call('GET', '/readyz')).status === 200, { within: 20_000 })
  const [here, there] = doors
  const body = { email: 'ada@example.org', password: 'seven red bicycles in the rain' }
  const token = (await here?.('POST', '/v1/register', { body }))?.body.access_token
  t.equal((await there?.('GET', '/v1/verify', { token }))?.status, 204)
  t.equal((await there?.('POST', '/v1/logout', { token }))?.status, 204)
  t.match(await here?.('GET', '/v1/verify', { token }), { status: 401, body: { code: 'token_revoked' } })
  await eventually(() => end('SIGINT'), { within: 10_000 })
})

/** Starts a file of examples that protects a service, by a Latchkey on this port; resolves to how it is asked. */
async function startExample(t: Test, name: string, latchkey: number): Promise<Service['call']> {
  const port = await freePort()
  const text = await readExample(name, { 'http://localhost:3000': `http://localhost:${latchkey}`, 4000: `${port}` })
  const child = startChild([process.execPath, '--input-type=module', '--eval', text], { PATH })
  t.teardown(() => child.end('SIGKILL'))
  const call = callAt(`http://localhost:${port}`)
  await eventually(() => call('GET', '/'), { within: 10_000 })
  return call
}

for (const name of ['express-service.mjs', 'fastify-service.mjs', 'hono-service.mjs']) {
  t.test(`${name} lets in who is logged in, and nobody who has logged out`, async (t) => {
    const body = { email: `${name}@example.org`, password: 'seven red bicycles in the rain' }
    const { access_token: token, user } = (await service.call('POST', '/v1/register', { body })).body
    const ask = await startExample(t, name, service.port)
    const known = async () => {
      const answer = await ask('GET', '/', { token })
      return answer.status === 503 ? null : answer // a busy machine may not answer in 300 ms
    }
    t.match(await eventually(known, { within: 20_000 }), { status: 200, body: `${user.id}\n` })
    t.match(await ask('GET', '/'), { status: 401, body: { code: 'no_token' } })
    await service.call('POST', '/v1/logout', { token })
    t.match(await eventually(known, { within: 20_000 }), { status: 401, body: { code: 'token_revoked' } })
  })
}

t.test('a service that cannot reach Latchkey says 503', async (t) => {
  const body = { email: 'unknown@example.org', password: 'seven red bicycles in the rain' }
  const { access_token: token } = (await service.call('POST', '/v1/register', { body })).body
  const ask = await startExample(t, 'express-service.mjs', await freePort())
  t.match(await ask('GET', '/', { token }), { status: 503, body: { code: 'store_unavailable' } })
})

t.test('the command that makes a secret makes one that the service takes', async (t) => {
  const page = await readFile('docs/configuration.md', 'utf8')
  const [command = ''] = /^node -p .+$/m.exec(page) ?? []
  t.strictSame(complaints({ AUTH_SECRET: await runInBash(command) }), [])
  const [compose = ''] = /(?<=^# +)\(mkdir .+\)$/m.exec(await readFile('compose.yaml', 'utf8')) ?? []
  await runInBash(compose)
  t.strictSame(complaints({ AUTH_SECRET: await readFile(join(dir, 'secrets/auth-secret'), 'utf8') }), [])
})
