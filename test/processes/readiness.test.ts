import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import t, { type Test } from 'tap'
import { NO_LIMITS } from '../support/env.ts'
import { type Service, startService } from '../support/service.ts'
import { eventually } from '../support/settle.ts'
import { launch, launchRedis } from '../support/world.ts'

// What the readiness costs those who are not asked, and how soon it says what is new.

/** Four a second, one that has begun before, one at the end, and the process's own. */
const mostIn = (ms: number) => Math.ceil(ms / 250) + 3

/** Many clients ask, each again and again, for a second; says how long that was. */
async function flood(t: Test, at: Service): Promise<number> {
  const began = performance.now()
  let answers = 0
  const client = async () => {
    while (performance.now() - began < 1000) {
      t.equal((await at.call('GET', '/readyz')).status, 200)
      answers += 1
    }
  }
  await Promise.all(Array.from({ length: 50 }, client))
  t.ok(answers >= 50, `${answers} answers`) // each client has had one at least, however busy the machine is
  return performance.now() - began
}

t.test('whoever asks for the readiness, Redis is asked four times a second at most', async (t) => {
  const redis = await launchRedis(t)
  const service = await launch(t, redis.url)
  const checks = async () => Number(/cmdstat_wait:calls=(\d+)/.exec(await redis.cli('INFO', 'commandstats'))?.[1])
  const before = await checks()
  const ms = await flood(t, service)
  const count = (await checks()) - before
  t.ok(count >= 2 && count <= mostIn(ms), `${count} in ${Math.round(ms)} ms`)
})

async function startEmbedded(t: Test): Promise<{ service: Service; dir: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-ready-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const service = await startService({ ...NO_LIMITS, DATA_DIR: dir })
  t.teardown(service.kill)
  return { service, dir }
}

t.test('nor is the embedded store written to more often', async (t) => {
  const { service, dir } = await startEmbedded(t)
  const file = open({ path: dir, noSubdir: false, readOnly: true })
  t.teardown(() => file.close())
  const commits = () => (file.getStats() as { lastTxnId: number }).lastTxnId
  const before = commits()
  const ms = await flood(t, service)
  const count = commits() - before
  t.ok(count >= 2 && count <= mostIn(ms), `${count} in ${Math.round(ms)} ms`)
})

t.test('a reason that is there when it is asked for is in the answer, however often others ask', async (t) => {
  const redis = await launchRedis(t)
  const service = await launch(t, redis.url)
  const over = new AbortController()
  const others = Array.from({ length: 5 }, async () => {
    while (!over.signal.aborted) await service.call('GET', '/readyz')
  })
  for (const [policy, status] of [
    ['volatile-ttl', 503],
    ['noeviction', 200],
    ['allkeys-lru', 503],
  ] as const) {
    await redis.cli('CONFIG', 'SET', 'maxmemory-policy', policy)
    t.equal((await service.call('GET', '/readyz')).status, status, policy)
  }
  over.abort()
  await Promise.all(others)
})

t.test('that the process is stopping is said at once, and by whoever had been asked before', async (t) => {
  const { service } = await startEmbedded(t)
  t.equal((await service.call('GET', '/readyz')).status, 200)
  const before = service.call('GET', '/readyz') // waits for its turn
  const exited = service.stop('SIGTERM')
  t.match(await before, { status: 503, body: { reasons: ['the process is stopping'] } })
  const asked = performance.now()
  for (let count = 0; count < 20; count += 1) t.equal((await service.call('GET', '/readyz')).status, 503)
  t.ok(performance.now() - asked < 20 * 250, 'none of them waited for a turn')
  t.equal(await exited, 0)
})

t.test('the log says it when it changes, and not at each call', async (t) => {
  const redis = await launchRedis(t)
  const service = await launch(t, redis.url)
  const ask = async (count: number) => {
    for (let asked = 0; asked < count; asked += 1) await service.call('GET', '/readyz')
  }
  const said = (text: string) => service.lines().filter((line) => line.includes(text)).length
  await ask(3)
  await redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  await ask(3)
  await redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  await ask(3)
  await eventually(() => said('"msg":"ready"') >= 2, { within: 3000 })
  t.equal(said('"msg":"ready"'), 2)
  t.equal(said('"reasons":["maxmemory-policy is allkeys-lru'), 1)
  t.equal(said('append-only file'), 3, 'what is promised less is said again with it')
})
