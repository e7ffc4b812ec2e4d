import { spawn } from 'node:child_process'
import t from 'tap'
import { startDemo } from '../support/demo.ts'
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
  t.equal(await kill({ origin: demo.url }), 200)
  for (let count = 0; count < 3; count++) t.equal((await fetch(`${demo.url}/v1/me`)).status, 401)
})
