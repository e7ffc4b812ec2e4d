import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { keys } from '../../src/store/keys.ts'
import { readRedisUrl } from '../../src/config/redis-url.ts'
import { connectRedis } from '../../src/store/redis/client.ts'
import { openRedis } from '../../src/store/redis/redis-store.ts'
import { type Commit, put, type Store, StoreUnavailable } from '../../src/store/store.ts'
import { startProxy } from '../support/proxy.ts'
import { removeFolder, startRedis, temporaryFolder } from '../support/redis-process.ts'
import { startCluster, startSentinel } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'

// What a commit on Redis that must not be lost waits for, and what happens where it was lost all the same.

const FENCED = ['--min-replicas-to-write', '1', '--min-replicas-max-lag', '10']

async function open(t: Test, url: string): Promise<Store> {
  const address = readRedisUrl(url)
  if (address === null) throw new Error('no REDIS_URL')
  const store = openRedis(
    connectRedis(address, () => {}),
    Date.now,
  )
  t.teardown(() => store.close())
  const isReady = async () => (await store.faults()).length === 0 && store.commit(write('ready'))
  await eventually(isReady, { within: 10_000 })
  return store
}

const write = (id: string) => ({ checks: [], puts: [put(keys.deniedBelow(id), 1, null)], deletes: [] })
const writeLoosely = (id: string) => ({ ...write(id), mayBeLost: true }) as const

async function timed<T>(work: () => Promise<T>): Promise<{ took: number; result: T | Error }> {
  const from = performance.now()
  const result = await work().catch((error: Error) => error)
  return { took: performance.now() - from, result }
}

t.test('behind Sentinel', async (t) => {
  const redis = await startSentinel({ args: FENCED, downAfterMs: 20_000 })
  t.teardown(redis.stop)
  const store = await open(t, redis.url)
  const [first, second] = redis.replicas
  await eventually(() => store.weaknesses().then((found) => found.length === 1), { within: 5000 })

  await t.test('a commit is answered once the replicas have it', async (t) => {
    t.equal(await store.commit(write('a')), true)
    for (const replica of redis.replicas) t.match(await replica.cli('GET', keys.deniedBelow('a')), / 1$/)
  })

  await t.test(
    'a replica that is silent: a commit that must not be lost is in doubt, in time, and reads go on',
    async (t) => {
      first?.freeze()
      const [commit, loose, reads] = await Promise.all([
        timed(() => store.commit(write('b'))),
        timed(() => store.commit(writeLoosely('c'))),
        Promise.all(Array.from({ length: 50 }, () => timed(() => store.get(keys.identity)))),
      ])
      t.ok(commit.result instanceof StoreUnavailable)
      t.ok(commit.took < 500, `in doubt after ${commit.took} ms`)
      t.ok(reads.every(({ took, result }) => took < 150 && !(result instanceof Error)))
      t.notOk(loose.result instanceof Error && loose.took > 500)
      await eventually(() => store.commit(write('b')).catch(() => false), { within: 15_000 })
      t.pass('the one that is left will do when the other has been silent for long')
      first?.thaw()
    },
  )

  await t.test('none of them left: every commit that must not be lost is in doubt', async (t) => {
    first?.freeze()
    second?.freeze()
    for (let turn = 0; turn < 3; turn += 1) await t.rejects(store.commit(write('d')), StoreUnavailable)
    first?.thaw()
    second?.thaw()
    await eventually(() => store.commit(write('d')).catch(() => false), { within: 15_000 })
  })

  await t.test('after a clean failover the new primary is found before the old one has been told', async (t) => {
    const old = await redis.settled()
    await redis.failover()
    await eventually(() => store.commit(write('e')).catch(() => false), { within: 15_000 })
    t.match(await old.cli('ROLE'), /^master/)
  })
})

/** How long a replica that has left is missed, and four seconds more. */
const LONGER_THAN_MISSED_MS = 9000

t.test('a replica that has left is missed until most of the Sentinels say that it was not promoted', async (t) => {
  const redis = await startSentinel({ args: FENCED, downAfterMs: 60_000 })
  t.teardown(redis.stop)
  const [link, other] = await Promise.all(redis.sentinels.slice(1).map(({ port }) => startProxy(port)))
  const [replica] = redis.replicas
  if (link === undefined || other === undefined || replica === undefined) throw new Error('too few were started')
  t.teardown(() => Promise.all([link.stop(), other.stop()]))
  const ports = [redis.sentinels[0]?.port, link.port, other.port]
  const store = await open(t, `redis+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join()}/latchkey`)

  const goesOn = () => eventually(() => store.commit(write('a')).catch(() => false), { within: 30_000 })
  const comeBack = async () => {
    await replica.restart()
    const isThere = async () => (await redis.primary.cli('INFO', 'replication')).split('state=online').length === 3
    await eventually(isThere, { within: 10_000 })
    await goesOn()
  }
  const staysInDoubt = async (t: Test) => {
    for (const from = performance.now(); performance.now() - from < LONGER_THAN_MISSED_MS; await sleep(200))
      await t.rejects(store.commit(write('b')), StoreUnavailable)
  }

  await t.test('one that cannot be asked makes no difference', async (t) => {
    await link.freeze()
    await replica.kill()
    await t.rejects(store.commit(write('b')), StoreUnavailable)
    await goesOn()
    await comeBack()
  })

  await t.test('for as long as two cannot be asked', async (t) => {
    await other.cut()
    t.equal(await store.commit(write('a')), true, 'nobody has left')
    await replica.kill()
    await staysInDoubt(t)
    await Promise.all([link.pass(), other.pass()])
    await goesOn()
    await comeBack()
  })

  await t.test('for as long as they do not see the primary either', async (t) => {
    await redis.primary.cli('ACL', 'SETUSER', 'default', '-ping')
    await replica.kill()
    await staysInDoubt(t)
    await redis.primary.cli('ACL', 'SETUSER', 'default', '+ping')
    await goesOn()
    await comeBack()
  })

  await t.test('whoever connects while two cannot be asked does not know who has left', async (t) => {
    await Promise.all([link.cut(), other.cut()])
    await redis.primary.cli('CLIENT', 'KILL', 'TYPE', 'normal')
    await eventually(() => store.commit(writeLoosely('a')).catch(() => false), { within: 10_000 })
    await staysInDoubt(t)
    t.match((await store.weaknesses()).join(), /Sentinels do not name one primary/)
    await Promise.all([link.pass(), other.pass()])
    await goesOn()
    t.notMatch((await store.weaknesses()).join(), /Sentinels/)
  })
})

t.test('on a Cluster with replicas a commit waits for the replica of its shard', async (t) => {
  const redis = await startCluster({ replicas: 1 })
  t.teardown(redis.stop)
  const store = await open(t, redis.url)
  const users = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  await eventually(
    async () => {
      await Promise.all(users.map((user) => store.commit(write(user))))
      return true
    },
    { within: 10_000 },
  )
  const replicas = redis.nodes.slice(3)
  const found = await Promise.all(replicas.map((replica) => replica.cli('DBSIZE').then(Number)))
  t.ok(
    found.every((count) => count > 0),
    `${found.join()} keys`,
  )
  for (const replica of replicas) replica.freeze()
  const results = await Promise.all(users.map((user) => timed(() => store.commit(write(user)))))
  t.ok(results.every(({ took, result }) => result instanceof StoreUnavailable && took < 2000))
  t.equal(await store.commit(writeLoosely('a')), true)
  for (const replica of replicas) replica.thaw()
  await eventually(() => store.commit(write('a')).catch(() => false), { within: 15_000 })
})

t.test('a replica that was promoted is missed, even while another one has come in its place', async (t) => {
  const redis = await startRedis({ args: FENCED })
  t.teardown(redis.stop)
  const follow = ['--replicaof', '127.0.0.1', `${redis.port}`]
  const [promoted, other] = [await startRedis({ args: follow }), await startRedis()]
  t.teardown(() => Promise.all([promoted.stop(), other.stop()]))
  const store = await open(t, redis.url)
  t.equal(await store.commit(write('a')), true)
  await promoted.cli('REPLICAOF', 'NO', 'ONE')
  await other.cli('REPLICAOF', '127.0.0.1', `${redis.port}`)
  await eventually(async () => (await redis.cli('INFO', 'replication')).includes(`port=${other.port},state=online`), {
    within: 5000,
  })
  await t.rejects(store.commit(write('b')), StoreUnavailable)
  await eventually(() => store.commit(write('b')).catch(() => false), { within: 15_000 })
})

t.test('a Redis without replicas is not waited for, and says what it would lose', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const store = await open(t, redis.url)
  t.equal(await store.commit(write('a')), true)
  t.match(await store.weaknesses(), [/appendonly yes/])
})

t.test('a Redis that had a replica for a while is one Redis again', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const store = await open(t, redis.url)
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', `${redis.port}`] })
  t.teardown(replica.stop)
  const isSeen = async () => (await store.weaknesses()).join().includes('min-replicas-to-write')
  await eventually(isSeen, { within: 10_000 })
  await eventually(() => store.commit(write('a')).catch(() => false), { within: 5000 })
  t.equal(await replica.cli('EXISTS', keys.deniedBelow('a')), '1')
  await replica.stop()
  await eventually(() => store.commit(write('b')).catch(() => false), { within: 15_000 })
})

t.test('a store that comes back older than it was loses its identity', async (t) => {
  const dir = await temporaryFolder()
  const redis = await startRedis({ dir, args: ['--dbfilename', 'dump.rdb'] })
  t.teardown(async () => {
    await redis.stop()
    await removeFolder(dir)
  })
  const store = await open(t, redis.url)
  // The connection of durable commits may be back later than that of reads.
  const insist = (write: Commit) => eventually(() => store.commit(write).catch(() => false), { within: 5000 })
  const name = (value: string) => insist({ checks: [], puts: [put(keys.identity, value, null)], deletes: [] })
  await name('ours')
  await redis.cli('SAVE')
  await copyFile(join(dir, 'dump.rdb'), join(dir, 'old.rdb'))
  const identity = () => eventually(async () => ({ found: await store.get(keys.identity) }), { within: 5000 })

  await t.test('not when nothing was lost', async (t) => {
    await redis.kill()
    await redis.restart()
    t.equal((await identity()).found?.value, 'ours')
  })

  await t.test('not when what may be lost was lost', async (t) => {
    await store.commit(writeLoosely('a'))
    await redis.kill()
    await redis.restart()
    t.equal((await identity()).found?.value, 'ours')
    t.equal(await store.get(keys.deniedBelow('a')), null)
  })

  await t.test('when a commit was lost that had been answered, and once only', async (t) => {
    await insist(write('b'))
    await redis.kill()
    await redis.restart()
    t.equal((await identity()).found, null)
    await name('new')
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal')
    t.equal((await identity()).found?.value, 'new')
  })

  await t.test('when it was another that was answered, and others have gone on since', async (t) => {
    const other = await open(t, redis.url)
    await other.commit({ checks: [], puts: [put(keys.identity, 'both', null)], deletes: [] })
    await redis.cli('SAVE')
    await insist(write('d'))
    const seen = await redis.cli('HGETALL', '{latchkey}:tide')
    await redis.kill()
    await redis.restart()
    t.not(await redis.cli('HGETALL', '{latchkey}:tide'), seen)
    await eventually(() => other.commit(write('e')).catch(() => false), { within: 5000 })
    t.equal((await identity()).found, null)
    await name('new')
  })

  await t.test('when it comes back once more with the identity that it lost', async (t) => {
    await redis.cli('SAVE')
    const { found } = await identity()
    await insist(write('f'))
    for (const next of ['second', 'third']) {
      await redis.kill()
      await redis.restart()
      t.equal((await identity()).found, null)
      await name(next)
    }
    t.equal(found?.value, 'new')
  })

  await t.test('when what another process was answered is lost, and that process is gone', async (t) => {
    const other = await open(t, redis.url)
    await redis.cli('SAVE')
    await other.commit(write('g'))
    await other.close()
    const all = await redis.cli('HGET', '{latchkey}:tide', 'all')
    await eventually(async () => store.commit(writeLoosely('h')), { within: 5000 })
    await sleep(600) // it has looked
    await redis.kill()
    await redis.restart()
    t.equal((await identity()).found, null)
    t.not(await redis.cli('HGET', '{latchkey}:tide', 'all'), all)
    await name('fourth')
  })

  await t.test('even when the connection stays', async (t) => {
    await redis.cli('HINCRBY', '{latchkey}:tide', 'all', '-1')
    t.ok(await eventually(async () => (await store.get(keys.identity)) === null, { within: 5000 }))
    await name('fifth')
  })

  await t.test('a Redis that is not ours keeps its own', async (t) => {
    await insist(write('c'))
    await redis.cli('SET', keys.identity, 'v "theirs"')
    await redis.cli('DEL', '{latchkey}:tide')
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal')
    t.equal((await identity()).found?.value, 'theirs')
  })
})
