import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RawServerDefault } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { networksOf, readAddress } from '../domain/address.ts'
import type { Caller } from '../domain/caller.ts'
import { headerText } from '../domain/header-text.ts'

/** The Fastify instance all plugins and routes work on: zod schemas type the requests. */
export type App = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypeProvider>

const USER_AGENT_LENGTH = 256

/** Who is asking. The address is the client's behind trusted proxies, and always an IP address. */
export function callerOf(request: FastifyRequest): Caller {
  const ip = readAddress(request.ip) ?? readAddress(request.socket.remoteAddress ?? '') ?? ''
  return {
    ip,
    network: networksOf(ip)[0].name,
    userAgent: headerText(request.headers['user-agent'] ?? '', USER_AGENT_LENGTH),
    requestId: request.id,
  }
}
