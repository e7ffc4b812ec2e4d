import rateLimit from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'
import { TooMany } from '../../auth/errors.ts'
import type { Limit } from '../../config/limits.ts'
import type { Deps } from '../../deps.ts'
import { StoreUnavailable } from '../../store/store.ts'
import { callerOf } from '../request-caller.ts'
import type { App } from '../typed-app.ts'
import { limitStore } from './request-limit-store.ts'

/** The limit of requests from an address that a route counts against. */
export type LimitName = 'register' | 'login' | 'refresh' | 'api'

/**
 * Refuses with 429 when the client's address, or a network around it, has used up a limit; counts over all that share the
 * store. For onRequest.
 */
export type LimitPerAddress = (name: LimitName) => (request: FastifyRequest) => Promise<void>

/** Makes the limits. A count that cannot be made is StoreUnavailable, 503. */
export async function makeLimits(app: App, { config, store, record }: Deps): Promise<LimitPerAddress> {
  await app.register(rateLimit, { global: false, store: limitStore(store) })
  const limiter = (name: LimitName, { count: max, windowMs: timeWindow }: Limit) =>
    app.createRateLimit({ max, timeWindow, keyGenerator: (request) => `${name} ${callerOf(request).ip}` })
  const limiters: Record<LimitName, ReturnType<typeof limiter>> = {
    register: limiter('register', config.LIMIT_REGISTER),
    login: limiter('login', config.LIMIT_LOGIN),
    refresh: limiter('refresh', config.LIMIT_REFRESH),
    api: limiter('api', config.LIMIT_API),
  }
  return (name) => async (request) => {
    const counting = limiters[name](request)
    const counted = await (name === 'api' ? counting.catch(unlessFull) : counting)
    if (counted === null || counted.isAllowed || !counted.isExceeded) return
    record({ event: 'limit.hit', limit: name }, callerOf(request))
    throw new TooMany(counted.ttl)
  }
}

/** When Redis is full, routes behind a token go on without a limit: they ask the store next, and a logout must get through. */
function unlessFull(error: unknown): null {
  const isFull =
    error instanceof StoreUnavailable && error.cause instanceof Error && /\bOOM\b/.test(error.cause.message)
  if (!isFull) throw error
  return null
}
