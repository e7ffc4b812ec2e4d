import type { FastifyRequest } from 'fastify'
import type { Caller } from '../domain/caller.ts'
import { headerText } from '../domain/header-text.ts'
import { networksOf, readAddress } from '../domain/ip-address.ts'

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
