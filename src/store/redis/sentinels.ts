import { Redis } from 'ioredis'
import type { RedisAddress } from '../../config/redis-url.ts'
import type { RedisClients } from './client.ts'
import { HANDSHAKE } from './handshake.ts'

// Whether we are on the side of a partition on which a primary can be made. Only most of the Sentinels can make one.

/** What is known of the Sentinels; without any, nothing speaks against going on. */
export interface Sentinels {
  /** What is amiss, in words for an operator, until most of them have named one primary, and nobody another, since we connected to it. */
  fault(): string | null
  /** Whether they did so just now, and see it alive: they are not about to make another one. */
  agree(): boolean
  stop(): void
}

const LOOK_MS = 1000
const ANSWER_MS = 500
const JUST_NOW_MS = 2000
/** A Sentinel pings the primary each second. */
const ALIVE_MS = 3000

/** Asks all Sentinels of the address each second, and at each new connection, who is the primary. */
export function watchSentinels({ address, durable }: RedisClients): Sentinels {
  if (address.kind !== 'sentinel') return { fault: () => null, agree: () => true, stop() {} }
  const sentinels = address.hosts.map((host) => connect(host, address.tls))
  /** Who has been named since we connected: their addresses need not be those by which we know them. */
  let named = new Set<string>()
  let agreedAt = -Infinity

  async function look(): Promise<void> {
    const [since, now] = [named, performance.now()]
    const answers = await Promise.all(sentinels.map((sentinel) => askPrimary(sentinel, address.name)))
    if (since !== named) return // of the connection before
    const votes = answers.filter((answer) => answer !== null)
    for (const vote of votes) named.add(vote)
    if (votes.length <= sentinels.length / 2 || new Set(votes).size > 1) return
    agreedAt = now
    if (named.size > 1 && durable.status === 'ready') durable.disconnect(true) // we may be connected to the other one
  }

  /** At the start they may not be connected yet. */
  async function lookUntilAgreed(tries = 20): Promise<void> {
    await look()
    if (agreedAt === -Infinity && tries > 0) setTimeout(() => void lookUntilAgreed(tries - 1), 50).unref()
  }

  const timer = setInterval(() => void look(), LOOK_MS).unref()
  durable.on('ready', () => {
    named = new Set()
    agreedAt = -Infinity
    void lookUntilAgreed()
  })
  return {
    fault: () => (named.size === 1 && agreedAt !== -Infinity ? null : 'most of the Sentinels do not name one primary'),
    agree: () => named.size === 1 && performance.now() - agreedAt <= JUST_NOW_MS,
    stop() {
      clearInterval(timer)
      for (const sentinel of sentinels) sentinel.disconnect()
    },
  }
}

function connect(host: RedisAddress['hosts'][number], tls: boolean): Redis {
  const sentinel = new Redis({
    ...HANDSHAKE,
    ...host,
    ...(tls ? { tls: {} } : {}),
    enableReadyCheck: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 1000,
    commandTimeout: ANSWER_MS,
    socketTimeout: 2000,
    retryStrategy: () => LOOK_MS / 2,
  })
  sentinel.on('error', () => {}) // one that cannot be asked has no vote
  return sentinel
}

/** The address of the primary that a Sentinel watches; null if it sees none alive, or does not answer. */
async function askPrimary(sentinel: Redis, name: string): Promise<string | null> {
  const reply = await sentinel.call('SENTINEL', 'MASTER', name).catch(() => [])
  const [fields, state] = [reply as string[], new Map<string, string>()]
  for (let at = 0; at < fields.length; at += 2) state.set(fields[at] ?? '', fields[at + 1] ?? '')
  const isAlive = state.get('flags') === 'master' && Number(state.get('last-ok-ping-reply')) <= ALIVE_MS
  return isAlive ? `${state.get('ip')} ${state.get('port')}` : null
}
