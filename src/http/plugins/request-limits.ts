import rateLimit from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'
import { TooMany } from '../../auth/errors.ts'
import type { Deps } from '../../deps.ts'
import { StoreUnavailable } from '../../store/store.ts'
import { callerOf } from '../request-caller.ts'
import type { App } from '../typed-app.ts'
import { limitStore } from './request-limit-store.ts'

/** The limits of requests from an address that a route can count against, and the variables that set them. */
const VARIABLES = {
  register: 'LIMIT_REGISTER',
  login: 'LIMIT_LOGIN',
  refresh: 'LIMIT_REFRESH',
  api: 'LIMIT_API',
} as const
export type LimitName = keyof typeof VARIABLES

/**
 * Refuses with 429 when the client's address, or a network around it, has used up a limit; counts over all that share the
 * store. For onRequest.
 */
export type LimitPerAddress = (name: LimitName) => (request: FastifyRequest) => Promise<void>

/** Makes the limits. A count that cannot be made is StoreUnavailable, 503. */
export async function makeLimits(app: App, { config, store, record }: Deps): Promise<LimitPerAddress> {
  await app.register(rateLimit, { global: false, store: limitStore(store) })
  return (name) => {
    const { count: max, windowMs: timeWindow } = config[VARIABLES[name]]
    const keyGenerator = (request: FastifyRequest) => `${name} ${callerOf(request).ip}`
    const limiter = app.createRateLimit({ max, timeWindow, keyGenerator })
    return async (request) => {
      const counting = limiter(request)
      const counted = await (name === 'api' ? counting.catch(unlessFull) : counting)
      if (counted === null || counted.isAllowed || !counted.isExceeded) return
      record({ event: 'limit.hit', limit: name }, callerOf(request))
      throw new TooMany(counted.ttl)
    }
  }
}

/** When Redis is full, routes behind a token go on without a limit: they ask the store next, and a logout must get through. */
function unlessFull(error: unknown): null {
  const isFull =
    error instanceof StoreUnavailable && error.cause instanceof Error && /\bOOM\b/.test(error.cause.message)
  if (!isFull) throw error
  return null
}
