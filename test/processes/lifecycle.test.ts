import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { codeOf, countBy, folder, PASSWORD, register, start } from '../support/life.ts'
import { eventually } from '../support/settle.ts'

// How a process goes.

t.test(
  'a process told to stop says so first, finishes what it has begun, and exits 0 within ten seconds',
  async (t) => {
    const service = await start(t, { DATA_DIR: await folder(t), ARGON2_PASSES: '8' })
    const me = await register(service)
    const login = () => service.call('POST', '/v1/login', { body: { email: me.email, password: PASSWORD } })
    const told = performance.now()
    const early = login()
    const exited = service.stop('SIGTERM')
    const ready = await eventually(
      async () => {
        const answer = await service.call('GET', '/readyz')
        return answer.status === 503 && answer
      },
      { within: 1000 },
    )
    t.match(ready.body, { status: 'unavailable', reasons: ['the process is stopping'] })
    const live = await service.call('GET', '/livez')
    t.equal(live.status, 200)
    t.equal(live.headers.get('connection'), 'close', 'clients are told to connect elsewhere')
    t.equal((await service.call('GET', '/v1/verify', { token: me.access_token })).status, 204, 'it still serves')
    t.equal((await early).status, 200)

    // From now on somebody connects every 150 ms until nobody listens: each who was let in gets an answer.
    const outcomes: Promise<number | string>[] = []
    const isRefused = async () => (await Promise.race([outcomes.at(-1), sleep(50, 0)])) === 'ECONNREFUSED'
    while (!(await isRefused()) && performance.now() - told < 12_000) {
      outcomes.push(
        login().then(
          ({ status }) => status,
          (error: Error) => codeOf(error),
        ),
      )
      await sleep(100)
    }
    const counts = countBy(await Promise.all(outcomes))
    t.ok((counts.get(200) ?? 0) > 10, 'logins went through while it was draining')
    t.strictSame(
      [...counts.keys()].filter((outcome) => ![200, 503, 'ECONNREFUSED'].includes(outcome)),
      [],
      'none was cut off',
    )
    t.equal(await exited, 0)
    t.equal(service.events('login.succeeded').length, 1 + (counts.get(200) ?? 0), 'whatever was done was answered')
    t.ok(performance.now() - told < 10_000)
  },
)
t.test('SIGINT stops at once, with exit code 0', async (t) => {
  const service = await start(t, { DATA_DIR: await folder(t) })
  const told = performance.now()
  t.equal(await service.stop('SIGINT'), 0)
  t.ok(performance.now() - told < 2500)
})

t.test('what it was asked when it is told to stop is answered, and the connection given up', async (t) => {
  const service = await start(t, { DATA_DIR: await folder(t) })
  const me = await register(service)
  const body = JSON.stringify({ email: me.email, password: PASSWORD })
  const socket = connect(service.port, '127.0.0.1')
  const head = `POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`
  socket.write(`${head}\r\n\r\n${body.slice(0, 9)}`)
  await once(socket, 'connect')
  const told = performance.now()
  const exited = service.stop('SIGINT')
  await eventually(() => service.lines().some((line) => line.includes('stopping')), { within: 2000 })
  socket.write(body.slice(9))
  t.match(await text(socket), /^HTTP\/1\.1 (200|503) (?=[^]*\r\nconnection: close\r\n)/i)
  t.equal(await exited, 0)
  t.ok(performance.now() - told < 4900, 'sooner than what still runs is cut off')
})

t.test('whoever has connected when it stops may still ask; who goes on saying nothing is not waited for', async (t) => {
  const service = await start(t, { DATA_DIR: await folder(t) })
  const [late, mute] = [connect(service.port, '127.0.0.1'), connect(service.port, '127.0.0.1')]
  await Promise.all([once(late, 'connect'), once(mute, 'connect')])
  const hungUp = once(mute.resume(), 'close')
  const told = performance.now()
  const exited = service.stop('SIGINT')
  const isRefused = () =>
    service.call('GET', '/livez').then(
      () => false,
      (error: unknown) => codeOf(error) === 'ECONNREFUSED',
    )
  await eventually(isRefused, { within: 2000 })
  service.freeze()
  late.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await sleep(1100) // longer than silence is borne
  service.thaw()
  t.match(await text(late), /^HTTP\/1\.1 (200|503) /, 'even if the process is held up just then')
  await hungUp
  t.equal(await exited, 0)
  t.ok(performance.now() - told < 5000)
})

t.test(
  'whoever was let in by the kernel when it stops is answered, though the process had no time for them yet',
  async (t) => {
    const service = await start(t, { DATA_DIR: await folder(t) })
    service.freeze()
    const waiting = Array.from({ length: 8 }, () => connect(service.port, '127.0.0.1'))
    await Promise.all(waiting.map((socket) => once(socket, 'connect')))
    for (const socket of waiting) socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const exited = service.stop('SIGINT')
    for (const answer of await Promise.all(waiting.map(text))) t.match(answer, /^HTTP\/1\.1 (200|503) /)
    t.equal(await exited, 0)
  },
)
