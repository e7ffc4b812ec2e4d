import { chmod, mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Database, open } from 'lmdb'
import t, { type Test } from 'tap'
import { openLmdb } from '../../src/store/lmdb/lmdb-store.ts'
import { lastOf, rowOf } from '../../src/store/keys.ts'
import { append, type Log, put, type Store, StoreUnavailable, unchanged } from '../../src/store/store.ts'
import { freePort } from '../support/free-port.ts'
import { type RedisProcess, startCluster, startRedis, startSentinel, type StartOptions } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'
import { openElsewhere, openHere, type Place } from '../support/store-process.ts'
import { keepsContract, newTag, set, writes } from './contract.ts'

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-store-'))
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}

async function ready<S extends Store>(opening: Promise<S>): Promise<S> {
  const store = await opening
  const touch = { checks: [], puts: [], deletes: ['{latchkey}:nothing'] }
  await eventually(async () => (await store.faults()).length === 0 && store.commit(touch), { within: 10_000 })
  return store
}

const openerAt = (place: Place) => ({
  here: () => ready(openHere(place)),
  elsewhere: () => ready(openElsewhere(place)),
})

t.test('LMDB keeps the contract', async (t) => keepsContract(t, openerAt({ dir: await folder(t) })))

const hosts = {
  'Redis standalone': startRedis(),
  'Redis Cluster': startCluster(),
  'Redis under Sentinel': startSentinel(),
}
t.teardown(() => Promise.all(Object.values(hosts).map(async (host) => (await host).stop())))

for (const [name, host] of Object.entries(hosts)) {
  t.test(`${name} keeps the contract`, async (t) => keepsContract(t, openerAt({ url: (await host).url })))
}

t.test(
  'LMDB: what a commit has answered survives kill -9 and is there for whoever opens the folder next',
  async (t) => {
    const dir = await folder(t)
    const [key, other] = [`${newTag()}:key`, `${newTag()}:key`]
    const far = await openElsewhere({ dir })
    await set(far, key, 'kept', Date.now() + 60_000)
    await set(far, other, 'deleted')
    await far.commit({ ...writes, deletes: [other] })
    const version = (await far.get(key))?.version
    await far.kill()
    const store = await openHere({ dir })
    t.teardown(() => store.close())
    t.match(await store.getMany([key, other]), [{ value: 'kept', version }, null])
    await set(store, key, 'changed')
    await store.close()
    const again = await openHere({ dir })
    t.teardown(() => again.close())
    t.match(await again.get(key), { value: 'changed' })
    t.not((await again.get(key))?.version, version)
  },
)

t.test('LMDB: a commit that fails on the way writes nothing and loses nothing', async (t) => {
  const store = await openHere({ dir: await folder(t) })
  t.teardown(() => store.close())
  const [kept, fresh, tooLong] = [`${newTag()}:kept`, `${newTag()}:fresh`, `${newTag()}:${'k'.repeat(3000)}`]
  await set(store, kept, 'before', Date.now() + 60_000)
  const before = await store.get(kept)
  const puts = [put(kept, 'after', null), put(fresh, 1, null), put(tooLong, 1, null)]
  await t.rejects(store.commit({ ...writes, puts, deletes: [kept] }), StoreUnavailable)
  t.same(await store.getMany([kept, fresh]), [before, null])
  t.equal(await store.commit({ checks: [unchanged(kept, before)], puts: [put(kept, 'then', null)], deletes: [] }), true)
})

t.test(
  'LMDB: a close waits for the commits and reads that are under way, and refuses those that come later',
  async (t) => {
    const dir = await folder(t)
    for (let turn = 0; turn < 10; turn += 1) {
      const store = await openHere({ dir })
      const key = newTag()
      const [written, read] = [set(store, key, turn), store.get(key)]
      await new Promise((resolve) => setImmediate(resolve))
      const closed = store.close()
      await t.rejects(store.get(key), StoreUnavailable)
      await t.rejects(set(store, key, 'later'), StoreUnavailable)
      await t.resolves(Promise.all([written, read, closed]))
    }
  },
)

t.test('LMDB: expired rows leave the disk, those renewed in time stay', async (t) => {
  const dir = await folder(t)
  const root = open({ path: dir, noSubdir: false }) // before the store: to open a table waits for the writer, in this very thread
  t.teardown(() => root.close())
  const [rows, expiries] = ['rows', 'expiries'].map((name) => root.openDB({ name, encoding: 'json' })) as [
    Database,
    Database,
  ]
  const onDisk = () => {
    rows.resetReadTxn()
    return [rows.getKeysCount(), expiries.getKeysCount()]
  }
  let now = 1_000_000
  const store = await openLmdb({ dir, clock: () => now, sweepMs: 20 })
  t.teardown(() => store.close())
  const keys = Array.from({ length: 2500 }, (_, place) => `${newTag()}:${place}`)
  await store.commit({ ...writes, puts: keys.map((key, place) => put(key, place, now + 1000 + (place % 7))) })
  const [later, forEver, deleted] = keys as [string, string, string]
  const puts = [put(later, 'later', now + 5000), put(forEver, 'for ever', null)]
  await store.commit({ ...writes, puts, deletes: [deleted] })
  t.same(onDisk(), [2499, 2498])
  now += 3000
  await eventually(() => onDisk()[0] === 2, { within: 10_000 })
  t.same(onDisk(), [2, 1], 'with what says when they expire')
  t.match(await store.getMany([later, forEver]), [{ value: 'later' }, { value: 'for ever' }])
  now += 3000
  await eventually(() => onDisk()[0] === 1, { within: 10_000 })
  t.same(onDisk(), [1, 0])
})

t.test('LMDB: the data folder is the owner’s alone; one that was there keeps its mode', async (t) => {
  const dir = await folder(t)
  const [made, found] = [join(dir, 'deep', 'made'), join(dir, 'found.data')]
  await mkdir(found)
  await chmod(found, 0o755)
  for (const [path, mode] of [
    [made, 0o700],
    [found, 0o755],
  ] as const) {
    const store = await openHere({ dir: path })
    t.teardown(() => store.close())
    t.equal((await stat(path)).mode & 0o777, mode)
  }
})

t.test('LMDB: the lock file has all its room from the start, a full disk has none to give', async (t) => {
  const dir = await folder(t)
  const store = await openHere({ dir })
  t.teardown(() => store.close())
  const { size, blocks } = await stat(join(dir, 'lock.mdb'))
  t.ok(blocks * 512 >= size, `${blocks} blocks for ${size} bytes`)
})

/** A Redis of the test's own and a client of it. */
async function home(t: Test, options: StartOptions = {}): Promise<{ redis: RedisProcess; store: Store }> {
  const redis = await startRedis(options)
  t.teardown(redis.stop)
  const store = await ready(openHere({ url: redis.url }))
  t.teardown(() => store.close())
  return { redis, store }
}

t.test('Redis: a burst of requests may ask for thousands of keys at once', async (t) => {
  const { store } = await home(t)
  const keys = Array.from({ length: 12_000 }, (_, place) => `{one}:${place}`)
  const there = [0, 4999, 5000, 9999, 11_999]
  await store.commit({ ...writes, puts: there.map((place) => put(`{one}:${place}`, place, null)) })
  const found = await store.getMany(keys)
  t.equal(found.length, keys.length)
  t.same(
    found.flatMap((entry) => (entry ? [entry.value] : [])),
    there,
  )
})

t.test('Redis: an answer that came while this process was held up is no failure', async (t) => {
  const { store } = await home(t)
  const key = `${newTag()}:key`
  await set(store, key, 'here')
  const found = store.get(key)
  await new Promise((resolve) => setImmediate(resolve)) // it is sent
  for (const from = performance.now(); performance.now() - from < 600;);
  t.match(await found, { value: 'here' })
})

const reads = (store: Store) => [store.get(`${newTag()}:key`), store.getMany([`${newTag()}:a`, `${newTag()}:b`])]
const writing = (store: Store) => [set(store, `${newTag()}:key`, 1)]
const everything = (store: Store) => [...reads(store), ...writing(store)]

/** Says no to all of it, in half a second (two of three times: the machine may be busy). */
async function isUnavailable(t: Test, store: Store, what: string, calls = everything): Promise<void> {
  const took: number[] = []
  for (let tries = 0; tries < 3; tries += 1) {
    const startedAt = performance.now()
    const results = await Promise.allSettled([...calls(store), store.faults().then(demandFaults)])
    const isRefused = results.every(
      (result) => result.status === 'rejected' && result.reason instanceof StoreUnavailable,
    )
    took.push(isRefused ? performance.now() - startedAt : Infinity)
  }
  const [, usual = Infinity, most = Infinity] = took.toSorted((a, b) => a - b)
  t.ok(usual < 500 && most < Infinity, `${what}: took ${took.map(Math.round).join(', ')} ms`)
}

async function demandFaults(faults: readonly string[]): Promise<never> {
  throw faults.length > 0 ? new StoreUnavailable() : new Error('no faults')
}

t.test('Redis: a value that expires carries its lifetime, one that does not has none', async (t) => {
  const { redis, store } = await home(t)
  const tag = newTag()
  const commit = { ...writes, puts: [put(`${tag}:brief`, { a: 1 }, Date.now() + 60_000), put(`${tag}:kept`, [], null)] }
  const lifetime = async (name: string) => Number(await redis.cli('PTTL', `${tag}:${name}`))
  for (let times = 0; times < 2; times += 1) {
    await store.commit(commit)
    const ms = await lifetime('brief')
    t.ok(ms > 50_000 && ms <= 60_000, `${ms} ms`)
    t.equal(await lifetime('kept'), -1)
  }
  await set(store, `${tag}:kept`, 1, Date.now() + 60_000)
  await set(store, `${tag}:brief`, 1)
  t.ok((await lifetime('kept')) > 50_000)
  t.equal(await lifetime('brief'), -1)
  t.match(await redis.cli('GET', `${tag}:brief`), /^\S+ 1$/)
})

t.test(
  'Redis: an eviction policy under which revocations could vanish is a fault, set at the start or later',
  async (t) => {
    const { redis, store } = await home(t)
    const kinds = [
      'allkeys-lru',
      'allkeys-lfu',
      'allkeys-random',
      'volatile-lru',
      'volatile-lfu',
      'volatile-random',
      'volatile-ttl',
    ]
    for (const policy of kinds) {
      await redis.cli('CONFIG', 'SET', 'maxmemory-policy', policy)
      t.match(await store.faults(), [new RegExp(`maxmemory-policy.*${policy}.*noeviction`)])
    }
    await redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    t.same(await store.faults(), [])
  },
)

t.test('Redis Cluster: a commit that appends while its slot moves is done whole, or not at all', async (t) => {
  const { url, nodes, home } = await hosts['Redis Cluster']
  const store = await ready(openHere({ url }))
  t.teardown(() => store.close())
  const tag = newTag()
  const [key, log] = [`${tag}:key`, `${tag}:log:` as Log<string>]
  const commit = (text: string) =>
    store.commit({
      ...writes,
      puts: [put(key, text, null)],
      append: append(log, [text], Date.now() + 60_000),
    })
  await commit('before')
  const from = await home(key)
  const to = nodes.find((node) => node !== from) as RedisProcess
  const slot = await from.cli('CLUSTER', 'KEYSLOT', key)
  await to.cli('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await from.cli('CLUSTER', 'MYID'))
  await from.cli('CLUSTER', 'SETSLOT', slot, 'MIGRATING', await to.cli('CLUSTER', 'MYID'))
  const isWon = await commit('after').catch(() => false)
  for (const node of [from, to]) await node.cli('CLUSTER', 'SETSLOT', slot, 'STABLE')
  const found = await store.getMany([key, lastOf(log), rowOf(log, 2)])
  const values = found.map((entry) => entry?.value ?? null)
  t.strictSame(values, isWon ? ['after', 2, 'after'] : ['before', 1, null])
  t.equal(await commit('then'), true)
})

t.test('Redis Cluster: one evicting node is a fault', async (t) => {
  const { url, nodes } = await hosts['Redis Cluster']
  const store = await ready(openHere({ url }))
  t.teardown(() => store.close())
  for (const node of nodes) {
    await node.cli('CONFIG', 'SET', 'maxmemory-policy', 'volatile-ttl')
    t.match(await store.faults(), [/volatile-ttl/])
    await node.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  }
})

t.test('Redis: a replica is trusted with nothing, not even with a read, until it is a primary', async (t) => {
  const { redis, store } = await home(t)
  const key = `${newTag()}:key`
  await set(store, key, 'value')
  const primary = await startRedis()
  t.teardown(primary.stop)
  await redis.cli('REPLICAOF', '127.0.0.1', `${primary.port}`)
  await isUnavailable(t, store, 'a primary turned replica')
  const late = await openHere({ url: redis.url })
  t.teardown(() => late.close())
  await eventually(async () => (await late.faults()).join().includes('READONLY'), { within: 5000 })
  await isUnavailable(t, late, 'a replica from the start')
  await redis.cli('REPLICAOF', 'NO', 'ONE')
  await Promise.all(
    [store, late].map((each) => eventually(() => set(each, key, 'new').then(() => true), { within: 5000 })),
  )
})

t.test('Redis: a full memory refuses to grow and still lets sessions end', async (t) => {
  const { redis, store } = await home(t)
  const tag = newTag()
  const [session, data, denial] = [`${tag}:session`, `${tag}:data`, `${tag}:denial`]
  await set(store, session, 'live')
  await set(store, data, 'cart')
  const entry = await store.get(session)
  await redis.cli('CONFIG', 'SET', 'maxmemory', '1')
  const [ended, denied] = [put(session, 'ended', null), put(denial, true, Date.now() + 60_000)]
  await t.rejects(
    store.commit({ checks: [unchanged(session, entry)], puts: [ended, denied], deletes: [] }),
    StoreUnavailable,
  )
  t.match(
    await store.getMany([session, data, denial]),
    [{ value: 'live' }, { value: 'cart' }, null],
    'nothing is written',
  )
  t.equal(await store.commit({ checks: [unchanged(session, null)], puts: [ended, denied], deletes: [data] }), false)
  t.equal(await store.commit({ checks: [unchanged(session, entry)], puts: [ended, denied], deletes: [data] }), true)
  t.match(await store.getMany([session, data, denial]), [{ value: 'ended' }, null, { value: true }])
  await redis.cli('CONFIG', 'SET', 'maxmemory', '0')
  await set(store, data, 'cart')
})

t.test('Redis: who may not, says so in no time and without secrets', async (t) => {
  const { redis } = await home(t)
  const user = (name: string, ...rules: string[]) =>
    redis.cli('ACL', 'SETUSER', name, 'on', '>hunter2', '~*', '+@all', ...rules)
  await user('noscripts', '-eval', '-evalsha')
  await user('noreads', '-getex', '-mget')
  await user('nokeys', 'resetkeys', '~other*')
  await user('right')
  const dead = await freePort()
  const table: [url: string, fault: RegExp, refused?: typeof everything][] = [
    [`redis://noscripts:hunter2@127.0.0.1:${redis.port}`, /NOPERM/, writing],
    [`redis://noreads:hunter2@127.0.0.1:${redis.port}`, /NOPERM/, reads],
    [`redis://nokeys:hunter2@127.0.0.1:${redis.port}`, /NOPERM/],
    [`redis://right:hunter22@127.0.0.1:${redis.port}`, /WRONGPASS/],
    [`redis://nobody:hunter2@127.0.0.1:${redis.port}`, /WRONGPASS/],
    [`redis://right:hunter2@127.0.0.1:${dead}`, /reached/],
    [`redis+sentinel://right:hunter2@127.0.0.1:${dead}/hunter2`, /reached/],
    [`redis+cluster://right:hunter2@127.0.0.1:${dead}`, /reached/],
    ['redis://right:hunter2@no-such-host.invalid', /reached/],
  ]
  for (const [url, fault, refused] of table) await complains(t, url, fault, refused)
  await redis.cli('ACL', 'SETUSER', 'default', 'resetpass', '>hunter2')
  await complains(t, redis.url, /NOAUTH/)
})

async function complains(t: Test, url: string, fault: RegExp, refused = everything): Promise<void> {
  const store = await openHere({ url })
  const name = url.replaceAll('hunter2', '…')
  const told = () => store.faults().then((faults) => fault.test(faults.join()))
  await eventually(told, { within: 1000 }).catch(() => {})
  const faults = (await store.faults()).join()
  t.match(faults, fault, name)
  t.notMatch(faults, /hunter2|right|127\.0\.0\.1/)
  await isUnavailable(t, store, name, refused)
  await store.close()
}

t.test('Redis: a user who may touch the service’s own keys only has all it needs', async (t) => {
  const { redis } = await home(t)
  await redis.cli(
    'ACL',
    'SETUSER',
    'latchkey',
    'on',
    '>hunter2',
    '~{*',
    '~latchkey:limit:*',
    '-@all',
    '+pexpire',
    '+pttl',
    '+get',
    '+getex',
    '+mget',
    '+set',
    '+del',
    '+eval',
    '+evalsha',
    '+info',
    '+hincrby',
    '+hget',
    '+wait',
    '+time',
  )
  const store = await openHere({ url: `redis://latchkey:hunter2@127.0.0.1:${redis.port}` })
  t.teardown(() => store.close())
  await eventually(async () => (await store.faults()).length === 0, { within: 2000 })
  const [key, other] = [`${newTag()}:key`, `${newTag()}:key`]
  await set(store, key, 1, Date.now() + 60_000)
  t.match(await store.getMany([key, other]), [{ value: 1 }, null])
  t.same(await store.getMany([]), [], 'to ask for nothing asks for no permission')
})

t.test('Redis over TLS: the certificate is checked', async (t) => {
  const redis = await startRedis({ tls: true })
  t.teardown(redis.stop)
  const [trusting, doubting] = await Promise.all([
    openElsewhere({ url: redis.url }, { NODE_EXTRA_CA_CERTS: redis.ca ?? '' }),
    openElsewhere({ url: redis.url }),
  ])
  t.teardown(() => Promise.all([trusting.close(), doubting.close()]))
  await ready(Promise.resolve(trusting))
  const key = `${newTag()}:key`
  await set(trusting, key, 'over TLS')
  t.match(await trusting.get(key), { value: 'over TLS' })
  await t.rejects(doubting.get(key), StoreUnavailable)
  t.match(await doubting.faults(), [/reached/])
})

t.test('Redis: a killed server is told from an empty one, and the same client goes on when it is back', async (t) => {
  const { redis, store } = await home(t, { args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  const key = `${newTag()}:key`
  await set(store, key, 'kept')
  for (let times = 0; times < 2; times += 1) {
    await redis.kill()
    await isUnavailable(t, store, 'killed')
    await redis.restart()
    t.match(await eventually(() => store.get(key), { within: 5000 }), { value: 'kept' })
    await eventually(async () => (await store.faults()).length === 0, { within: 5000 }) // both connections are there
    await set(store, key, 'kept') // the server has forgotten the script
  }
})

t.test('Redis: a server frozen for 3 s costs those 3 s, and no answer reaches the wrong question', async (t) => {
  const { redis, store } = await home(t)
  const keys = Array.from({ length: 50 }, (_, place) => `${newTag()}:${place}`)
  await Promise.all(keys.map((key) => set(store, key, key)))
  redis.freeze()
  const thawAt = performance.now() + 3000
  while (performance.now() < thawAt) await isUnavailable(t, store, 'frozen')
  redis.thaw()
  await eventually(async () => (await store.get(keys[0] as string)) !== null, { within: 5000 })
  for (let times = 0; times < 5; times += 1) {
    const entries = await Promise.all(keys.map((key) => store.get(key)))
    t.same(
      entries.map((entry) => entry?.value),
      keys,
    )
  }
})
