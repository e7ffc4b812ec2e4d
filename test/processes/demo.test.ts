import { spawn } from 'node:child_process'
import { readdir, rm } from 'node:fs/promises'
import t, { type Test } from 'tap'
import type { SentMail } from '../../examples/demo/mails.ts'
import { demoPort, launchDemo, startDemo } from '../support/demo.ts'
import { claimPort } from '../support/free-port.ts'
import { TEST_SECRET } from '../support/env.ts'
import { eventually } from '../support/settle.ts'

// What the browser tests take for granted of the demo that they run on.

const refuses = (port: number) =>
  fetch(`http://127.0.0.1:${port}/livez`).then(
    () => false,
    () => true,
  )

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  t.test(`the demo's instances are gone when it is, by ${signal}`, async (t) => {
    const demo = await startDemo()
    const ports = [1, 2, 3].map((name) => demo.port + name)
    for (const port of ports) t.notOk(await refuses(port), 'an instance listens there')
    await demo.stop(signal)
    for (const port of ports) await eventually(() => refuses(port), { within: 10_000 })
  })
}

t.test('an instance that has not begun when the demo is killed does not begin', async (t) => {
  const leash = new URL('../../examples/demo/leash.js', import.meta.url).href
  const instance = spawn(process.execPath, ['--import', leash, '--eval', 'setInterval(() => {}, 1000)'], {
    env: {},
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  t.teardown(() => instance.kill('SIGKILL'))
  instance.disconnect()
  await eventually(() => instance.signalCode === 'SIGKILL', { within: 10_000 })
})

async function launch(t: Test, env: Record<string, string>) {
  const { child, folder } = await launchDemo(env)
  t.teardown(async () => {
    await child.end('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })
  return { child, leftBehind: () => readdir(folder) }
}

t.test('Ctrl-C, however often, ends the demo with nothing left behind', async (t) => {
  const { child, leftBehind } = await launch(t, { PORT: `${await demoPort()}` })
  await child.printed('http://localhost')
  t.equal((await leftBehind()).length, 1)
  const interrupt = () => {
    void child.end('SIGINT')
    return child.hasExited()
  }
  await eventually(interrupt, { within: 15_000 })
  t.equal(await child.exited, 0)
  t.strictSame(await leftBehind(), [])
})

for (const [PORT, words] of [
  ['abc', 'PORT must be a whole number from 0 to 65535'],
  ['8080.5', 'PORT must be a whole number from 0 to 65535'],
  ['65536', 'PORT must be a whole number from 0 to 65535'],
  ['65535', 'no port is free from 65536 on: choose a lower PORT'],
] as const) {
  t.test(`the demo refuses PORT=${PORT} in a line, and leaves nothing behind`, async (t) => {
    const { child, leftBehind } = await launch(t, { PORT })
    await eventually(() => child.hasExited(), { within: 10_000 })
    t.equal(await child.exited, 1)
    t.strictSame(child.lines(), [words])
    t.strictSame(await leftBehind(), [])
  })
}

t.test('with PORT=0 the demo finds a port, and says which', async (t) => {
  await claimPort(8080, 60_000) // from where it looks: tests of another checkout may be about to
  const { child } = await launch(t, { PORT: '0' })
  await child.printed('http://localhost')
  const url = /http:\S+/.exec(child.lines().join(' '))?.[0] ?? ''
  t.equal((await fetch(url)).status, 200)
  t.equal((await fetch(`${url}/v1/me`)).status, 401)
})

t.test('the demo keeps nothing, and is the same whatever a service of this shell is told', async (t) => {
  const env = {
    REDIS_URL: 'redis://127.0.0.1:1',
    AUTH_SECRET: TEST_SECRET,
    COOKIE_DOMAIN: 'shop.example',
    MAIL_URL: 'smtp://127.0.0.1:1',
    APP_URL: 'https://shop.example',
    MAIL_LOCALE: 'ko',
  }
  const { child } = await launch(t, { ...env, PORT: `${await demoPort()}` })
  await child.printed('http://localhost')
  const url = /http:\S+/.exec(child.lines().join(' '))?.[0] ?? ''
  const post = (path: string, body: object) =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' },
      body: JSON.stringify(body),
    })
  const email = 'ada@example.org'
  const answer = await post('/v1/register', { email, password: 'seven red bicycles in the rain', transport: 'cookie' })
  t.equal(answer.status, 201)
  t.match(answer.headers.get('set-cookie'), /^__Host-refresh_token=/)
  t.equal((await post('/v1/password/forgot', { email })).status, 202)
  const [mail] = await eventually(
    async () => {
      const { mails } = (await (await fetch(`${url}/demo/mails`)).json()) as { mails: SentMail[] }
      return mails.length > 0 && mails
    },
    { within: 10_000 },
  )
  t.match(mail, { to: email, subject: 'password', text: `${url}/reset-password#token=` })
})

t.test('the demo takes its buttons and its name from nobody else', async (t) => {
  const demo = await startDemo()
  t.teardown(() => demo.stop())
  const kill = async (headers: Record<string, string>) =>
    (await fetch(`${demo.url}/demo/instances/1/kill`, { method: 'POST', headers })).status
  t.equal(await kill({}), 403)
  t.equal(await kill({ 'sec-fetch-site': 'same-site', origin: 'http://localhost:1' }), 403)
  t.equal(await kill({ origin: 'https://elsewhere.example' }), 403)
  const { status } = await fetch(`http://[::ffff:127.0.0.1]:${demo.port}/demo/instances`)
  t.equal(status, 421)
  for (const path of ['/package.json', '/..%2f..%2fpackage.json', '/livez', '/docs', '/demo/instances/9/kill'])
    t.equal((await fetch(demo.url + path)).status, 404, path)
  const link = `${demo.url}/reset-password`
  t.equal((await fetch(link)).headers.get('content-type'), 'text/html; charset=utf-8')
  for (const method of ['HEAD', 'POST']) t.equal((await fetch(link, { method })).status, 405)
  t.equal(await kill({ origin: demo.url }), 200)
  for (let count = 0; count < 3; count++) t.equal((await fetch(`${demo.url}/v1/me`)).status, 401)
})
