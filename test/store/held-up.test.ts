import { once } from 'node:events'
import t from 'tap'
import { readRedisUrl } from '../../src/config/redis-url.ts'
import { connectRedis } from '../../src/store/redis/client.ts'
import { startRedis } from '../support/redis.ts'

t.test('a process that is held up while it connects is served as soon as it goes on', async (t) => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const address = readRedisUrl(redis.url)
  if (address === null) throw new Error('no REDIS_URL')
  const { client, durable } = connectRedis(address, () => {})
  t.teardown(() => [client, durable].forEach((each) => each.disconnect()))
  const ready = [client, durable].map((each) => once(each, 'ready'))
  // Redis has been asked whether it is ready; the answer waits for us longer than a command may take.
  for (const each of [client, durable]) each.once('connect', () => setImmediate(holdUp, 500))
  await Promise.all(ready)
  for (const each of [client, durable]) t.equal(await each.getex('anything'), null)
})

function holdUp(ms: number): void {
  const endAt = performance.now() + ms
  while (performance.now() < endAt);
}
