import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { mkdtemp, open, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { NO_LIMITS, TEST_SECRET } from '../support/env.ts'
import { type LogLine, type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import { launchRedis, register, verify } from '../support/world.ts'

// Standard output that cannot be written: the service goes on, counts the lines it has lost, and ends when it is told to.

const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))
const run = promisify(execFile)
/** Enough on a machine that has much else to do; what froze never answered. */
const IN_TIME_MS = 4000

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-log-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** Starts an instance by the shell: `$MAIN` is its command, the first argument a file of the test's own. */
async function start(t: Test, script: string, file = '', env: Record<string, string> = {}): Promise<Service> {
  const place = 'REDIS_URL' in env ? {} : { DATA_DIR: join(await folder(t), 'data') }
  const service = await startService(
    { ...NO_LIMITS, ...place, AUTH_SECRET: TEST_SECRET, ...env },
    { command: ['/bin/sh', '-c', script.replaceAll('$MAIN', `${process.execPath} ${MAIN}`), 'sh', file] },
  )
  t.teardown(service.kill)
  return service
}

/** Has `count` requests refused with an event each, which no store and no hash slows down; says how long the slowest took. */
async function refuse(at: Service, count: number): Promise<number> {
  const headers = { cookie: '__Host-refresh_token=x', origin: 'https://evil.example', 'user-agent': 'x'.repeat(250) }
  let [left, slowest] = [count, 0]
  const client = async () => {
    while ((left -= 1) >= 0) {
      const began = performance.now()
      const { status } = await at.call('POST', '/v1/refresh', { headers })
      if (status !== 403) throw new Error(`refused with ${status}`)
      slowest = Math.max(slowest, performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: 16 }, client))
  return slowest
}

/** Whoever asks is answered in time, and the process ends with 0 when it is told to. */
async function servesAndEnds(t: Test, at: Service, signal: NodeJS.Signals): Promise<void> {
  const began = performance.now()
  const me = await register(at)
  t.equal((await verify(at, me)).status, 204)
  t.equal((await at.call('GET', '/readyz')).status, 200)
  t.ok(performance.now() - began < 2 * IN_TIME_MS)
  const told = performance.now()
  t.equal(await at.stop(signal), 0)
  t.ok(performance.now() - told < 10_000, `${Math.round(performance.now() - told)} ms`)
}

/** Every line is whole, and of `count` events each has one or is among those that were said to be lost; says how many. */
function accountsFor(t: Test, text: string, count: number): number {
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as LogLine)
  const written = lines.filter(({ event }) => event === 'origin.refused').length
  const lost = lines.reduce((sum, line) => sum + Number(line['lost'] ?? 0), 0)
  t.equal(written + lost, count, `${written} written, ${lost} lost`)
  return lost
}

/** More lines than wait for their destination. */
const TOO_MANY = 3000

t.test('a log on a full disk keeps nobody waiting, and not the end of the process', { jobs: 2 }, async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    t.test(signal, { buffered: true }, async (t) => {
      const service = await start(t, 'exec $MAIN >/dev/full')
      t.ok((await refuse(service, 100)) < IN_TIME_MS)
      await servesAndEnds(t, service, signal)
    })
  }
  await t.test('nor the end of one that a fault of its own ends', { buffered: true }, async (t) => {
    const service = await start(t, `exec ${process.execPath} --import '${THROWER}' ${MAIN} >/dev/full`)
    process.kill(service.pid as number, 'SIGUSR2')
    t.equal(
      await eventually(async () => ({ code: await service.exited }), { within: 3000 }).then(({ code }) => code),
      null,
    )
  })
})

const THROWER = 'data:text/javascript,process.on("SIGUSR2",()=>{throw new Error("a fault of ours")})'

t.test('a log file that cannot grow goes on when it can, and says how many lines it has lost', async (t) => {
  const file = join(await folder(t), 'log')
  const { url } = await launchRedis(t)
  const service = await start(t, 'exec $MAIN >>"$1"', file, { REDIS_URL: url })
  const limit = (bytes: string) => run('prlimit', ['--pid', String(service.pid), `--fsize=${bytes}:unlimited`])
  await refuse(service, 10)
  await eventually(async () => (await readFile(file, 'utf8')).split('origin.refused').length === 11, { within: 3000 })
  const { size } = await stat(file)

  await limit(String(size + 100)) // in the middle of a line
  t.ok((await refuse(service, 50)) < IN_TIME_MS)
  await eventually(async () => (await stat(file)).size === size + 100, { within: 3000 })
  await limit('unlimited')
  await eventually(async () => (await readFile(file, 'utf8')).split('origin.refused').length === 61, { within: 3000 })
  t.equal(accountsFor(t, await readFile(file, 'utf8'), 60), 0, 'a few lines can wait')

  await limit(String((await stat(file)).size))
  t.ok((await refuse(service, TOO_MANY)) < IN_TIME_MS)
  await limit('unlimited')
  await eventually(async () => /"lost":\d+/.test(await readFile(file, 'utf8')), { within: 5000 })
  await refuse(service, 10)
  await limit('1')
  await servesAndEnds(t, service, 'SIGTERM')
  t.ok(accountsFor(t, await readFile(file, 'utf8'), TOO_MANY + 70) > 0)
})

/** A pipe that is read only when it is told to be. */
async function makePipe(t: Test) {
  const file = join(await folder(t), 'pipe')
  await run('mkfifo', [file])
  const pipe = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  t.teardown(() => pipe.close())
  let text = ''
  /** Reads what is there, and says what was read until now. */
  const read = async () => {
    const { buffer, bytesRead } = await pipe.read(Buffer.alloc(1 << 16)).catch(() => ({ buffer: '', bytesRead: 0 }))
    text += String(buffer.slice(0, bytesRead))
    return text
  }
  return { file, read }
}

t.test('a reader of the log who stalls keeps nobody waiting; when he reads again, the log goes on', async (t) => {
  const { file, read } = await makePipe(t)
  const service = await start(t, 'exec $MAIN >"$1"', file)
  t.ok((await refuse(service, TOO_MANY)) < IN_TIME_MS)
  await eventually(async () => /"lost":\d+.*\n/.test(await read()), { within: 20_000 })
  t.ok(accountsFor(t, await read(), TOO_MANY) > 0)
  await refuse(service, 300)
  await servesAndEnds(t, service, 'SIGTERM')
})

t.test('a terminal that stands still or is gone keeps nobody waiting', { jobs: 2 }, async (t) => {
  // A session of its own: the end of the terminal is not the end of the process.
  const onTerminal = async (t: Test) => {
    const service = await start(t, `exec script -qefc 'setsid --wait $MAIN' /dev/null`)
    const pid = await eventually(() => Number(/"pid":(\d+)/.exec(service.lines().join('\n'))?.[1]) || null, {
      within: 3000,
    })
    const isThere = () =>
      run('ps', ['-p', String(pid)]).then(
        () => true,
        () => false,
      )
    t.teardown(async () => (await isThere()) && process.kill(pid, 'SIGKILL'))
    const end = async () => {
      process.kill(pid, 'SIGTERM')
      await eventually(async () => !(await isThere()), { within: 10_000 })
    }
    return { service, end }
  }
  t.test('gone', { buffered: true }, async (t) => {
    const { service, end } = await onTerminal(t)
    await service.kill()
    t.ok((await refuse(service, 100)) < IN_TIME_MS)
    t.equal((await service.call('GET', '/readyz')).status, 200)
    await end()
  })
  await t.test('standing still', { buffered: true }, async (t) => {
    const { service, end } = await onTerminal(t)
    service.freeze()
    t.ok((await refuse(service, 500)) < IN_TIME_MS)
    await end()
    service.thaw()
    t.equal(await service.exited, 0)
  })
})

t.test('of a log that can be written no line is lost, up to the last', { jobs: 2 }, async (t) => {
  t.test('when the process is told to stop', { buffered: true }, async (t) => {
    const file = join(await folder(t), 'log')
    const service = await start(t, `{ echo '{"line":"of another"}'; exec $MAIN; } >"$1"`, file)
    await refuse(service, 500)
    t.equal(await service.stop('SIGINT'), 0)
    const text = await readFile(file, 'utf8')
    t.match(text, /^{"line":"of another"}\n/, 'nor one of others who write there')
    t.equal(accountsFor(t, text, 500), 0)
    t.match(text, /"msg":"stopped"}\n$/)
  })
  t.test('when its reader has fallen behind, for a moment', { buffered: true }, async (t) => {
    const ends: readonly [NodeJS.Signals, number | null, RegExp][] = [
      ['SIGINT', 0, /"msg":"stopped"}\n$/],
      ['SIGUSR2', null, /a fault of ours.*"uncaught exception"}\n$/],
    ]
    for (const [signal, code, last] of ends) {
      const { file, read } = await makePipe(t)
      const service = await start(t, `exec ${process.execPath} --import '${THROWER}' ${MAIN} >"$1"`, file)
      await refuse(service, 400) // more than fits into the pipe
      const stopped = service.stop(signal)
      await eventually(async () => last.test(await read()), { within: 5000 })
      t.equal(await stopped, code)
      t.equal(accountsFor(t, await read(), 400), 0)
    }
  })
  await t.test('when a fault of its own ends it', { buffered: true }, async (t) => {
    const service = await start(t, `exec ${process.execPath} --import '${THROWER}' ${MAIN}`)
    await refuse(service, 100)
    process.kill(service.pid as number, 'SIGUSR2')
    t.equal(await service.exited, null)
    t.match(service.lines().at(-2), /"level":60,.*a fault of ours.*"uncaught exception"/)
    t.equal(service.events('origin.refused').length, 100)
  })
})
