import t, { type Test } from 'tap'
import { readRedisUrl } from '../../src/config/redis-url.ts'
import { keys } from '../../src/store/keys.ts'
import { connectRedis } from '../../src/store/redis/client.ts'
import { openRedis } from '../../src/store/redis/redis-store.ts'
import { put, type Store } from '../../src/store/store.ts'
import { makeFakeTime } from '../support/faketime.ts'
import { type RedisProcess, startRedis } from '../support/redis.ts'
import { eventually } from '../support/settle.ts'
import { AOF, launchProxy } from '../support/world.ts'

// How long a Redis remembers how far each process has come.

const DAY_MS = 86_400_000
const DAY_S = DAY_MS / 1000

async function open(t: Test, { url }: Pick<RedisProcess, 'url'>): Promise<Store> {
  const address = readRedisUrl(url)
  if (address === null) throw new Error('no REDIS_URL')
  const store = openRedis(
    connectRedis(address, () => {}),
    Date.now,
  )
  t.teardown(() => store.close())
  await eventually(() => write(store), { within: 5000 })
  return store
}

/** One commit that must not be lost, once the store takes it. */
function write(store: Store): Promise<boolean> {
  return store.commit({ checks: [], puts: [put(keys.deniedBelow('a'), 1, null)], deletes: [] }).catch(() => false)
}

/** A Redis with a clock that can be set, and an identity of its own. */
async function redisOf(t: Test): Promise<{ redis: RedisProcess; shift: (days: number) => Promise<void> }> {
  const clock = await makeFakeTime()
  const redis = await startRedis({ args: [...AOF], env: clock.env })
  t.teardown(async () => {
    await redis.stop()
    await clock.stop()
  })
  await redis.cli('SET', keys.identity, 'v "ours"')
  return { redis, shift: (days) => clock.shift(days * DAY_S) }
}

/** The keys under which it counts, those of processes and the common one, and no others. */
const counts = async ({ cli }: RedisProcess) =>
  (await cli('KEYS', '{latchkey}:tide*'))
    .split('\n')
    .filter((key) => key !== '')
    .toSorted()

const identityIn = ({ cli }: RedisProcess) => cli('GET', keys.identity)

t.test('however many processes have come and gone, what they counted goes after a month', async (t) => {
  const { redis, shift } = await redisOf(t)
  for (let count = 0; count < 5; count += 1) await (await open(t, redis)).close()
  t.equal((await counts(redis)).length, 6)
  t.equal(await redis.cli('HGETALL', '{latchkey}:tide'), 'all\n5')
  for (const key of (await counts(redis)).slice(1)) {
    const left = Number(await redis.cli('PTTL', key))
    t.ok(left > 28 * DAY_MS && left <= 30 * DAY_MS, `${left} ms`)
  }
  await shift(31)
  t.strictSame(await counts(redis), ['{latchkey}:tide'])
  t.equal(await redis.cli('HGETALL', '{latchkey}:tide'), 'all\n5')
  t.equal(await identityIn(redis), 'v "ours"')
})

t.test('of a process that is there it is remembered, though it commits nothing for months', async (t) => {
  const { redis, shift } = await redisOf(t)
  const store = await open(t, redis)
  const [, mine = ''] = await counts(redis)
  for (const days of [20, 40, 60]) {
    await shift(days)
    const isRenewed = async () => Number(await redis.cli('PTTL', mine)) > 28 * DAY_MS
    await eventually(isRenewed, { within: 3000 })
  }
  t.equal(await redis.cli('GET', mine), '1')
  t.equal(await identityIn(redis), 'v "ours"')
  await redis.cli('SET', mine, '0')
  await eventually(async () => (await identityIn(redis)) === '', { within: 3000 })
  t.ok(await write(store))
})

t.test('a process that had not been there for months is no proof of a loss, and goes on being one', async (t) => {
  const { redis, shift } = await redisOf(t)
  const [store, other] = [await open(t, redis), await open(t, redis)]
  const [, one = '', two = ''] = await counts(redis)
  for (const months of [1, 2]) {
    await redis.kill()
    await shift(months * 31)
    await redis.restart()
    await eventually(async () => (await counts(redis)).length === 3, { within: 5000 })
    t.equal(await redis.cli('MGET', one, two), `${months}\n${months}`, 'it says again how far it was')
    t.equal(await identityIn(redis), 'v "ours"')
    for (const each of [store, other]) t.ok(await eventually(() => write(each), { within: 5000 }))
  }
  await redis.cli('SET', one, '2')
  await eventually(async () => (await identityIn(redis)) === '', { within: 3000 })
})

t.test('what all have committed shows a loss even to a process that had not been there for months', async (t) => {
  const { redis, shift } = await redisOf(t)
  const proxy = await launchProxy(t, redis.port)
  const store = await open(t, { url: `redis://127.0.0.1:${proxy.port}` })
  t.ok(await write(store))
  await proxy.cut()
  await shift(31)
  await redis.cli('HINCRBY', '{latchkey}:tide', 'all', '-1')
  t.equal((await counts(redis)).length, 1, 'of the process nothing is known')
  await proxy.pass()
  await eventually(async () => (await identityIn(redis)) === '', { within: 5000 })
})

t.test(
  'a count that is not there is a loss, unless a process had been away for nearly as long as it is kept',
  async (t) => {
    const { redis, shift } = await redisOf(t)
    await open(t, redis)
    const [, mine = ''] = await counts(redis)
    await redis.kill()
    await shift(20)
    await redis.restart()
    await redis.cli('DEL', mine)
    await eventually(async () => (await identityIn(redis)) === '', { within: 5000 })
  },
)

t.test('what an older version has counted for each process stands in nobody’s way', async (t) => {
  const { redis } = await redisOf(t)
  await redis.cli('HSET', '{latchkey}:tide', 'all', '7', 'older', '7')
  const store = await open(t, redis)
  t.ok(await write(store))
  t.equal(await redis.cli('HGETALL', '{latchkey}:tide'), 'all\n9\nolder\n7')
  t.equal(await identityIn(redis), 'v "ours"')
})
