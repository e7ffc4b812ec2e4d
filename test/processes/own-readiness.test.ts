import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { freePort } from '../support/free-port.ts'
import { TEST_SECRET } from '../support/env.ts'
import { callAt, type Service } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import { startService } from '../support/service.ts'
import { launch, launchRedis } from '../support/world.ts'

// What an orchestrator asks before it takes an instance away.

const OTHER_SECRET = 'q3Wf8xKz1TnVb6Lr0JmYc5HsGd9PuEo2IaXvN7Mt4kQ'

/** Both listeners of an instance. */
async function launchTwoDoors(
  t: Test,
  url: string,
  env: Record<string, string> = {},
  until: 'live' | 'ready' = 'ready',
) {
  const port = await freePort()
  const service = await launch(t, url, { ADMIN_PORT: `${port}`, ...env }, until)
  return { service, doors: [service.call, callAt(`http://127.0.0.1:${port}`)] }
}

const status = async (at: Service['call'], path: string) => (await at('GET', path)).status
const becomes = (at: Service['call'], path: string, wanted: number) =>
  eventually(async () => (await status(at, path)) === wanted, { within: 10_000 })

t.test('an instance that has been ready stays so by its own measure while the store is away', async (t) => {
  const redis = await launchRedis(t)
  const { doors } = await launchTwoDoors(t, redis.url)
  for (const door of doors) t.strictSame((await door('GET', '/readyz/own')).body, { status: 'ok' })
  await redis.stop()
  for (const door of doors) {
    await becomes(door, '/readyz', 503)
    t.match(await door('GET', '/readyz/own'), { status: 200, body: { status: 'ok' } })
  }
})

t.test('an instance that has never been ready is not, and says why', async (t) => {
  const nowhere = await freePort()
  const { doors } = await launchTwoDoors(t, `redis://127.0.0.1:${nowhere}`, {}, 'live')
  for (const door of doors) {
    const { status, body } = await door('GET', '/readyz/own')
    t.match({ status, reasons: body.reasons.join() }, { status: 503, reasons: /Redis cannot be reached/ })
  }
})

t.test('an instance that cannot open the signing keys is not', async (t) => {
  const redis = await launchRedis(t)
  await launch(t, redis.url)
  const { doors } = await launchTwoDoors(t, redis.url, { AUTH_SECRET: OTHER_SECRET }, 'live')
  t.not(OTHER_SECRET, TEST_SECRET)
  for (const door of doors) {
    const says = async () => `${(await door('GET', '/readyz/own')).body.reasons}`
    await eventually(async () => (await says()).includes('AUTH_SECRET'), { within: 10_000 })
    t.equal(await status(door, '/readyz/own'), 503)
  }
})

t.test('an instance that is stopping is not', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-own-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const service = await startService({ DATA_DIR: dir })
  t.teardown(service.kill)
  t.equal(await status(service.call, '/readyz/own'), 200)
  const exited = service.stop('SIGTERM')
  await becomes(service.call, '/readyz/own', 503)
  t.match(await service.call('GET', '/readyz/own'), { body: { reasons: ['the process is stopping'] } })
  t.equal(await exited, 0)
})
