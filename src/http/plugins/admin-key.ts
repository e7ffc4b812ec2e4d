import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AdminKey } from '../../config/admin-keys.ts'
import type { Deps } from '../../deps.ts'
import { isUserId } from '../../domain/user.ts'
import { Problem } from '../problems.ts'
import { callerOf } from '../request-caller.ts'
import type { App } from '../typed-app.ts'
import { bearerText } from './bearer-text.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The key of a request below `/admin`; null elsewhere. */
    adminKey: AdminKey | null
  }
}

/**
 * Lets only requests with a right key get at what is below `/admin`, whether it is there or not; elsewhere no key is asked for. Each
 * call is recorded when it has been answered. Call it before the routes are added.
 */
export function requireAdminKey(app: App, { config, record }: Deps): void {
  const keys = config.ADMIN_KEYS.map((key) => ({ key, digest: digestOf(key.key) }))

  /** Compares with every key, in a time that tells nothing of them. */
  function findKey(text: string): AdminKey | null {
    const digest = digestOf(text)
    return keys.reduce<AdminKey | null>(
      (found, each) => (timingSafeEqual(each.digest, digest) ? each.key : found),
      null,
    )
  }

  function recordCall(request: FastifyRequest, status: number): void {
    const { id = '' } = (request.params ?? {}) as { id?: string }
    const route = `${request.method} ${request.routeOptions.url ?? ''}`
    record({ event: 'operator.called', route, status, user_id: isUserId(id) ? id : null }, callerOf(request))
  }

  app.decorateRequest('adminKey', null)
  app.addHook('onRequest', async (request, reply) => {
    if (!isGuarded(request)) return
    request.adminKey = findKey(bearerText(request))
    if (request.adminKey !== null) return whenOver(reply, () => recordCall(request, reply.statusCode))
    record({ event: 'operator.refused' }, callerOf(request))
    throw new Problem('token_invalid')
  })
}

/** Calls `act` once: when the answer is written, or cut off, because the client has gone away or cannot be told the rest. */
function whenOver({ raw }: FastifyReply, act: () => void): void {
  let isOver = false
  for (const event of ['finish', 'close'])
    raw.once(event, () => {
      if (!isOver) act()
      isOver = true
    })
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** Whether the request is for something below `/admin`, by the path as the router understands it. */
function isGuarded({ is404, url, routeOptions }: FastifyRequest): boolean {
  return /^\/admin(?:[/?]|$)/.test(is404 ? decoded(url) : (routeOptions.url ?? ''))
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(url)
  } catch {
    return url
  }
}
