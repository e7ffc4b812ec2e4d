import t, { type Test } from 'tap'
import { keys } from '../../src/store/keys.ts'
import { absent, put } from '../../src/store/store.ts'
import { type AdminHome, openAdminHome } from '../support/admin.ts'
import { readSamples } from '../support/metrics.ts'
import { startRedis } from '../support/redis.ts'

// What /metrics tells of the store.

const read = async ({ admin }: AdminHome, name: string) =>
  readSamples((await admin<string>('GET', '/metrics')).body).get(`latchkey_${name}`) ?? 0
const failures = (home: AdminHome, cause: string) => read(home, `store_failures_total{cause="${cause}"}`)

async function onRedis(t: Test) {
  const redis = await startRedis()
  t.teardown(redis.stop)
  return { redis, home: await openAdminHome(t, { REDIS_URL: redis.url }) }
}

t.test('a Redis that has become a replica is counted as read_only, and verify as unknown', async (t) => {
  const { redis, home } = await onRedis(t)
  const { access_token: token } = await home.newcomer()
  t.equal(await failures(home, 'read_only'), 0)
  await redis.cli('REPLICAOF', '127.0.0.1', '1')
  t.equal((await home.call('GET', '/v1/verify', { token })).status, 503)
  t.ok((await failures(home, 'read_only')) > 0)
  t.equal(await read(home, 'verifications_total{outcome="unknown"}'), 1)
  await redis.cli('REPLICAOF', 'NO', 'ONE')
})

t.test('commands are counted with the time that they took, those that failed, too', async (t) => {
  const { redis, home } = await onRedis(t)
  const { access_token: token } = await home.newcomer()
  const [many, slow] = [
    'store_command_seconds_count{command="read"}',
    'store_command_seconds_bucket{command="read",le="0.1"}',
  ]
  const [before, quick] = [await read(home, many), await read(home, slow)]
  redis.freeze()
  t.equal((await home.call('GET', '/v1/verify', { token })).status, 503)
  redis.thaw()
  t.ok((await failures(home, 'silent')) + (await failures(home, 'away')) > 0)
  t.ok((await read(home, many)) - before > (await read(home, slow)) - quick, 'one took longer than 100 ms')
})

t.test('a denial that was not written is not counted', async (t) => {
  const home = await openAdminHome(t)
  const denial = put(keys.deniedToken('A'.repeat(22), 'B'.repeat(22)), true, home.clock.now + 60_000)
  const commit = (key: string) => home.deps.store.commit({ checks: [absent(key)], puts: [denial], deletes: [] })
  t.equal(await commit(keys.identity), false)
  t.equal(await read(home, 'denials_total{of="token"}'), 0)
  t.equal(await commit(keys.user('A'.repeat(22))), true)
  t.equal(await read(home, 'denials_total{of="token"}'), 1)
})
