export { type ClusterOptions, type RedisCluster, startCluster } from './redis-cluster.ts'
export { type RedisProcess, startRedis, type StartOptions } from './redis-process.ts'
export { type RedisSentinel, type SentinelOptions, startSentinel } from './redis-sentinel.ts'
