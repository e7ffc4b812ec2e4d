import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { startCluster } from '../support/redis.ts'

const here = (path: string) => new URL(path, import.meta.url).href
/** A callback waits only for the question that comes each second. */
const CLOSE_WHILE_ASKING = `
import { once } from 'node:events'
import { readRedisUrl } from '${here('../../src/config/redis-url.js')}'
import { connectRedis } from '${here('../../src/store/redis/client.js')}'
const { client, durable } = connectRedis(readRedisUrl(process.env.REDIS_URL), () => {})
await Promise.all([client, durable].map((each) => once(each, 'ready')))
for (const each of [client, durable]) {
  while (each._refreshSlotsCacheCallbacks.length === 0) await new Promise(setImmediate)
  each.disconnect()
}
`

t.test('a process that closes a Redis Cluster while it asks for its slots ends', async (t) => {
  const cluster = await startCluster()
  t.teardown(cluster.stop)
  const env = { PATH: process.env['PATH'], REDIS_URL: cluster.url }
  const args = ['--input-type=module', '--eval', CLOSE_WHILE_ASKING]
  await t.resolves(promisify(execFile)(process.execPath, args, { env, timeout: 15_000 }))
})
