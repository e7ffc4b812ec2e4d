import rateLimit from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'
import { hasSessionAt, isKnownAddress } from '../../auth/accounts/register.ts'
import type { Limit } from '../../config/limits.ts'
import type { Deps } from '../../deps.ts'
import type { AccessClaims } from '../../domain/access-token.ts'
import { networksOf } from '../../domain/address.ts'
import type { User } from '../../domain/user.ts'
import { counters } from '../../store/keys.ts'
import { StoreUnavailable, type UsedUp } from '../../store/store.ts'
import { Problem } from '../problems.ts'
import { type App, callerOf } from '../typed-app.ts'
import { limitStore, spread } from './limit-store.ts'

/** The limit of requests from an address that a route counts against. */
export type LimitName = 'register' | 'login' | 'refresh' | 'api'

/** What a request has to ask before and after it tries a password. */
export interface Guesses {
  /** Refuses with 429 when too many guesses have failed. Counts nothing. */
  readonly guard: () => Promise<void>
  /** Counts a failed guess, and refuses with 429 instead of the answer when it was one too many. */
  readonly fail: () => Promise<void>
}

/** Counts requests and failed guesses, over all that share the store. */
export interface Limits {
  /** Refuses with 429 when the client's address, or a network around it, has used up a limit. For onRequest. */
  readonly perAddress: (name: LimitName) => (request: FastifyRequest) => Promise<void>
  /** At login: from here and from anywhere, whether or not there is an account. */
  readonly atLogin: (request: FastifyRequest, emailKey: string, user: User | null) => Guesses
  /** Behind a live token: of its session. A stranger's failures elsewhere are not its own. */
  readonly behindToken: (request: FastifyRequest, claims: AccessClaims) => Guesses
}

/** Makes the limits. A count that cannot be made is StoreUnavailable, 503. */
export async function makeLimits(app: App, deps: Deps): Promise<Limits> {
  const { config, store, record } = deps
  await app.register(rateLimit, { global: false, store: limitStore(store) })
  const limiter = (name: LimitName, { count: max, windowMs: timeWindow }: Limit) =>
    app.createRateLimit({ max, timeWindow, keyGenerator: (request) => `${name} ${callerOf(request).ip}` })
  const limiters = {
    register: limiter('register', config.LIMIT_REGISTER),
    login: limiter('login', config.LIMIT_LOGIN),
    refresh: limiter('refresh', config.LIMIT_REFRESH),
    api: limiter('api', config.LIMIT_API),
  }

  function refuse(request: FastifyRequest, limit: string, leftMs: number): never {
    record('limit.hit', { limit }, callerOf(request))
    throw new Problem('too_many_requests', { retryAfter: Math.max(1, Math.ceil(leftMs / 1000)) })
  }

  function guesses(request: FastifyRequest, count: (adds: boolean) => Promise<Refusal | null>): Guesses {
    const ask = async (adds: boolean) => {
      const refusal = await count(adds)
      if (refusal !== null) refuse(request, refusal.limit, refusal.leftMs)
    }
    return { guard: () => ask(false), fail: () => ask(true) }
  }

  return {
    perAddress: (name) => async (request) => {
      const counting = limiters[name](request)
      const counted = await (name === 'api' ? counting.catch(unlessFull) : counting)
      if (counted !== null && !counted.isAllowed && counted.isExceeded) refuse(request, name, counted.ttl)
    },
    atLogin: (request, emailKey, user) => guesses(request, loginCounter(deps, request, emailKey, user)),
    behindToken: (request, { sub, sid }) =>
      guesses(request, async (adds) => {
        const own = { key: counters.sessionFailures(sub, sid), ...config.LIMIT_FAILURES }
        const usedUp = await store.count({ counters: [own], adds })
        return usedUp && { limit: 'session_failures', ...usedUp }
      }),
  }
}

type Refusal = UsedUp & { readonly limit: 'failures' | 'account_failures' | 'session_failures' }

/**
 * Counts guesses from here and from anywhere. An address that the account is known from has a count of its own only: a
 * stranger's failures elsewhere, or next door, do not lock its owner out. The sessions are looked at only when it matters.
 */
function loginCounter(
  deps: Deps,
  request: FastifyRequest,
  emailKey: string,
  user: User | null,
): (adds: boolean) => Promise<Refusal | null> {
  const { config, store } = deps
  const { ip, network } = callerOf(request)
  const here = spread(config.LIMIT_FAILURES, networksOf(ip), (name) => counters.failures(emailKey, name))
  const anywhere = { key: counters.accountFailures(emailKey), ...config.LIMIT_ACCOUNT_FAILURES }
  const own = here.slice(0, 1)
  const all = isKnownAddress(deps, user, network) ? own : [...here, anywhere]
  return async (adds) => {
    const usedUp = await store.count({ counters: all, adds })
    if (usedUp === null) return null
    const isSpared = usedUp.place > 0 && (await hasSessionAt(deps, user, network))
    const left = isSpared ? await store.count({ counters: own, adds }) : usedUp
    return left && { limit: all[left.place] === anywhere ? 'account_failures' : 'failures', ...left }
  }
}

/** When Redis is full, routes behind a token go on without a limit: they ask the store next, and a logout must get through. */
function unlessFull(error: unknown): null {
  const isFull =
    error instanceof StoreUnavailable && error.cause instanceof Error && /\bOOM\b/.test(error.cause.message)
  if (!isFull) throw error
  return null
}
