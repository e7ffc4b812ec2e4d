import { Redis } from 'ioredis'
import type { RedisAddress } from '../../config/redis-url.ts'
import type { RedisClients } from './client.ts'
import { HANDSHAKE } from './handshake.ts'

// Whether we are on the side of a partition that can promote a primary: the side with most of the Sentinels.

/** What is known of the Sentinels. Where there are none, there is no fault, and they agree. */
export interface Sentinels {
  /**
   * Says, in words for an operator, that they do not agree; null: since we connected, most of them have named one primary, and
   * none another.
   */
  fault(): string | null
  /** Whether they did so in the last JUST_NOW_MS, and see that primary alive: they are not about to promote another. */
  agree(): boolean
  stop(): void
}

const LOOK_MS = 1000
const ANSWER_MS = 500
const JUST_NOW_MS = 2000
/** The primary is alive if it answered a Sentinel in the last so many ms; a Sentinel pings it each second. */
const ALIVE_MS = 3000

/** Follows the Sentinels of the address: asks all of them for the primary each second, and at each new connection. */
export function watchSentinels({ address, durable }: RedisClients): Sentinels {
  if (address.kind !== 'sentinel') return { fault: () => null, agree: () => true, stop() {} }
  const sentinels = address.hosts.map((host) => connect(host, address.tls))
  /** The primaries that were named since we connected, by the addresses that the Sentinels use, which may differ from ours. */
  let named = new Set<string>()
  let agreedAt = -Infinity

  async function look(): Promise<void> {
    const [since, now] = [named, performance.now()]
    const answers = await Promise.all(sentinels.map((sentinel) => askPrimary(sentinel, address.name)))
    if (since !== named) return // the votes are about the connection before
    const votes = answers.filter((answer) => answer !== null)
    for (const vote of votes) named.add(vote)
    if (votes.length <= sentinels.length / 2 || new Set(votes).size > 1) return
    agreedAt = now
    if (named.size > 1 && durable.status === 'ready') durable.disconnect(true) // we may be connected to the wrong one
  }

  /** Asks again until they agree: just after the start they may not be connected yet. */
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
  sentinel.on('error', () => {}) // a Sentinel that cannot be asked has no vote
  return sentinel
}

/** Asks a Sentinel for the address of the primary that it watches; null: it sees none alive, or does not answer. */
async function askPrimary(sentinel: Redis, name: string): Promise<string | null> {
  const reply = await sentinel.call('SENTINEL', 'MASTER', name).catch(() => [])
  const [fields, state] = [reply as string[], new Map<string, string>()]
  for (let at = 0; at < fields.length; at += 2) state.set(fields[at] ?? '', fields[at + 1] ?? '')
  const isAlive = state.get('flags') === 'master' && Number(state.get('last-ok-ping-reply')) <= ALIVE_MS
  return isAlive ? `${state.get('ip')} ${state.get('port')}` : null
}
