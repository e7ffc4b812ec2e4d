import rateLimit from '@fastify/rate-limit'
import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { Cluster, Redis } from 'ioredis'
import { isKnownAddress } from '../auth/accounts.ts'
import type { Limit } from '../config/limits.ts'
import type { Deps } from '../deps.ts'
import { Problem } from '../problems.ts'
import { LIMITS, type User } from '../store/keys.ts'
import { StoreUnavailable } from '../store/store.ts'
import { type App, callerOf } from './app.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The account whose password is being tried, hashed. */
    triedAccount: string
  }
}

/** The limit of requests from an address that a route counts against. */
export type LimitName = 'register' | 'login' | 'refresh' | 'api'

/** Counts requests and failed guesses, over all instances where they share a Redis. */
export interface Limits {
  /** Refuses with 429 when the client's address has used up a limit. For onRequest. */
  readonly perAddress: (name: LimitName) => (request: FastifyRequest) => Promise<void>
  /** Refuses with 429 when too many guesses at the account have failed, from here or from anywhere. Counts nothing. */
  readonly guardGuess: (request: FastifyRequest, emailKey: string, user: User | null) => Promise<void>
  /** Counts a failed guess, and refuses with 429 instead of the answer when it was one too many. */
  readonly countFailure: (request: FastifyRequest, emailKey: string, user: User | null) => Promise<void>
}

const ADDRESSES_IN_MEMORY = 50_000

/** Makes the limits, in Redis when there is one, else in memory. */
export async function makeLimits(app: App, deps: Deps, redis: Redis | Cluster | null): Promise<Limits> {
  const store = redis === null ? { cache: ADDRESSES_IN_MEMORY } : { redis }
  await app.register(rateLimit, { global: false, nameSpace: LIMITS, ...store })
  app.decorateRequest('triedAccount', '')
  const counters = makeCounters(app, deps)

  function refuse(request: FastifyRequest, limit: string, ttlMs: number): never {
    deps.record('limit.hit', { limit }, callerOf(request))
    throw new Problem('too_many_requests', { retryAfter: Math.max(1, Math.ceil(ttlMs / 1000)) })
  }

  /** Which limits of guesses concern the request: the owner's own addresses are spared a stranger's failures elsewhere. */
  function guessLimits(request: FastifyRequest, emailKey: string, user: User | null): readonly ('here' | 'anywhere')[] {
    request.triedAccount = createHash('sha256').update(emailKey).digest('base64url')
    return isKnownAddress(deps, user, callerOf(request).network) ? ['here'] : ['here', 'anywhere']
  }

  async function ask(
    request: FastifyRequest,
    names: readonly ('here' | 'anywhere')[],
    increment: boolean,
    isOver: (used: Used) => boolean,
  ): Promise<void> {
    const uses = await Promise.all(names.map((name) => use(counters[name](request, { increment }))))
    const place = uses.findIndex(isOver)
    if (place !== -1) refuse(request, names[place] ?? '', uses[place]?.ttl ?? 0)
  }

  return {
    perAddress: (name) => async (request) => {
      const used = await use(counters[name](request), name === 'api')
      if (used.isExceeded) refuse(request, name, used.ttl)
    },
    guardGuess: (request, emailKey, user) =>
      ask(request, guessLimits(request, emailKey, user), false, ({ remaining }) => remaining === 0),
    countFailure: (request, emailKey, user) =>
      ask(request, guessLimits(request, emailKey, user), true, ({ isExceeded }) => isExceeded),
  }
}

function makeCounters(app: App, { config }: Deps) {
  const counter = (
    name: string,
    { count: max, windowMs: timeWindow }: Limit,
    keyOf: (request: FastifyRequest) => string,
  ) => app.createRateLimit({ max, timeWindow, keyGenerator: (request) => `${name}:${keyOf(request)}` })
  return {
    register: counter('register', config.LIMIT_REGISTER, addressOf),
    login: counter('login', config.LIMIT_LOGIN, addressOf),
    refresh: counter('refresh', config.LIMIT_REFRESH, addressOf),
    api: counter('api', config.LIMIT_API, addressOf),
    here: counter('failures', config.LIMIT_FAILURES, (request) => `${request.triedAccount}:${addressOf(request)}`),
    anywhere: counter('account-failures', config.LIMIT_ACCOUNT_FAILURES, (request) => request.triedAccount),
  }
}

function addressOf(request: FastifyRequest): string {
  return callerOf(request).network
}

interface Used {
  readonly isExceeded: boolean
  readonly remaining: number
  readonly ttl: number
}

/**
 * A counter that cannot be reached is the store's failure, 503. Only when Redis is full do routes behind a token go on without
 * (`isOptional`): they ask the store next, and a logout must get through.
 */
async function use(counting: Promise<object>, isOptional = false): Promise<Used> {
  try {
    return (await counting) as Used
  } catch (cause) {
    if (isOptional && isFull(cause)) return { isExceeded: false, remaining: 1, ttl: 0 }
    throw new StoreUnavailable('the limits cannot be counted', { cause })
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && /\bOOM\b/.test(error.message)
}
