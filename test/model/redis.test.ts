import t from 'tap'
import { startRedis } from '../support/redis.ts'
import { playOn } from './histories.ts'

t.test('every history on Redis is one the contract allows', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  await playOn(t, { REDIS_URL: redis.url })
})
