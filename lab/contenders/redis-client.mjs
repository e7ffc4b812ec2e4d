// node-redis as its README starts it, with a listener for errors so that it reconnects instead of ending the process.
import { createClient, createCluster, createSentinel } from 'redis'

/** Connects to a redis://, redis+sentinel://host:port,host:port/name or redis+cluster://host:port,host:port URL. */
export async function connectRedis(url = process.env.REDIS_URL) {
  const [, kind = '', hosts = '', name] = /^redis(\+\w+)?:\/\/([^/]+)\/?(.*)$/.exec(url)
  const nodes = hosts.split(',').map((each) => ({ host: each.split(':')[0], port: Number(each.split(':')[1]) }))
  const client =
    kind === '+sentinel'
      ? createSentinel({ name, sentinelRootNodes: nodes })
      : kind === '+cluster'
        ? createCluster({ rootNodes: nodes.map((socket) => ({ socket })) })
        : createClient({ url })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Which sessions a user has, in a set beside them. */
export function indexSessions(client) {
  const keyOf = (email) => `sessions-of:${email}`
  return {
    add: (email, id) => client.sAdd(keyOf(email), id),
    of: (email) => client.sMembers(keyOf(email)),
  }
}
