import { Cluster, Redis } from 'ioredis'
import type { RedisAddress } from '../../config/redis-url.ts'
import { HANDSHAKE, hearHandshake, hearHandshakes } from './handshake.ts'

/** No command waits longer for its answer; a request needs two or three. */
const COMMAND_TIMEOUT_MS = 300
/** The message of a command that was given up. */
export const TIMED_OUT = 'Command timed out'

/** Two connections to one place. */
export interface RedisClients {
  readonly kind: RedisAddress['kind']
  readonly address: RedisAddress
  readonly client: Redis | Cluster
  /** For commits that wait for replicas: what is sent behind them waits, too. */
  readonly durable: Redis | Cluster
}

/**
 * Connects, in the background and for ever: commands fail at once while there is no connection and within
 * COMMAND_TIMEOUT_MS when the server is silent; nothing is queued, nothing is sent twice.
 */
export function connectRedis(address: RedisAddress, onError: (error: Error) => void): RedisClients {
  return { kind: address.kind, address, client: connect(address, onError), durable: connect(address, onError) }
}

function connect(address: RedisAddress, onError: (error: Error) => void): Redis | Cluster {
  const client = makeClient(address)
  if (client.isCluster) hearHandshakes(client as Cluster)
  else hearHandshake(client as Redis)
  if (client.isCluster) client.on('+node', writeTogether)
  else writeTogether(client as Redis)
  limitTime(client)
  client.on('error', onError)
  let closing = false
  const disconnect = client.disconnect.bind(client)
  client.disconnect = (reconnect = false) => {
    closing = !reconnect
    if (closing && client.isCluster) askNoMore(client as Cluster)
    disconnect(reconnect)
  }
  client.on('end', () => {
    if (!closing) setTimeout(() => void client.connect().catch(onError), backOff(5)).unref()
  })
  return client
}

/**
 * Lets the question for the slots that is under way be the last. ioredis would have another follow each, each second, also when
 * the connection is closed: whoever closes it then, a command or an instance that drains, would never end.
 */
function askNoMore(cluster: Cluster): void {
  cluster.refreshSlotsCache = () => {}
}

/**
 * Gives up a command that is not answered in time. ioredis's own timeout would also refuse what has arrived while this
 * process was held up; this one reads first, and lets be what has been answered by then.
 */
function limitTime(client: Redis | Cluster): void {
  const send = client.sendCommand.bind(client) as Cluster['sendCommand']
  client.sendCommand = (...args: Parameters<Cluster['sendCommand']>) => {
    const [command] = args
    let isAnswered = false
    const giveUp = () => setImmediate(() => isAnswered || command.reject(new Error(TIMED_OUT)))
    const timer = setTimeout(giveUp, COMMAND_TIMEOUT_MS)
    const stop = () => {
      isAnswered = true
      clearTimeout(timer)
    }
    command.promise.then(stop, stop)
    return send(...args)
  }
}

/**
 * Writes all scripts that are sent one right after the other to the socket at once: a write costs more than a script. Reads are
 * two commands a turn, which gain nothing by it.
 */
function writeTogether(client: Redis): void {
  const send = client.sendCommand.bind(client)
  let corked: Redis['stream'] | undefined
  client.sendCommand = (...args: Parameters<Redis['sendCommand']>) => {
    const { stream } = client
    if (args[0].name === 'evalsha' && stream !== undefined && stream !== corked) {
      corked = stream
      stream.cork()
      process.nextTick(() => {
        corked = undefined
        stream.uncork()
      })
    }
    return send(...args)
  }
}

function makeClient(address: RedisAddress): Redis | Cluster {
  const options = connectionOptions(address)
  const { kind, hosts, socket, db } = address
  if (kind === 'standalone') return new Redis({ ...options, ...(socket ? { path: socket } : hosts[0]), db })
  if (kind === 'sentinel') return new Redis({ ...options, ...sentinelOptions(address) })
  return new Cluster([...hosts], {
    redisOptions: options,
    enableOfflineQueue: false,
    slotsRefreshTimeout: 1000,
    slotsRefreshInterval: 1000,
    retryDelayOnFailover: 0, // nothing is sent twice
    clusterRetryStrategy: backOff,
  })
}

function connectionOptions(address: RedisAddress) {
  return {
    ...HANDSHAKE,
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ...(address.tls ? { tls: {} } : {}),
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 1000,
    maxLoadingRetryTime: 500, // Redis guesses how long it loads
    socketTimeout: 2000,
    retryStrategy: backOff,
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'), // the primary has moved: look for it again
  }
}

function sentinelOptions(address: RedisAddress) {
  return {
    sentinels: [...address.hosts],
    name: address.name,
    sentinelRetryStrategy: backOff,
    sentinelCommandTimeout: 1000, // one that is silent is passed by
    failoverDetector: true, // an old primary is not told for ten seconds that it is one
    // The primary has moved, or is one that its replicas have left for another: ask the Sentinels again.
    reconnectOnError: ({ message }: Error) => /^(READONLY|NOREPLICAS)/.test(message),
    enableTLSForSentinelMode: address.tls,
    ...(address.tls ? { sentinelTLS: {} } : {}),
  }
}

/** 50 ms, 100 ms, … at most one second, for ever. */
function backOff(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt - 1, 5), 1000)
}
