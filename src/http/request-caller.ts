import type { FastifyRequest } from 'fastify'
import type { Caller } from '../domain/caller.ts'
import { headerText } from '../domain/header-text.ts'
import { networksOf, readAddress } from '../domain/ip-address.ts'
import { spanOf } from './plugins/traces.ts'

const USER_AGENT_LENGTH = 256
const ACTOR_LENGTH = 256

/**
 * Who sent the request. `ip` is the address of the client behind trusted proxies: an IP address, or empty if the connection is
 * gone.
 */
export function callerOf(request: FastifyRequest): Caller {
  const span = spanOf(request)
  const ip = readAddress(request.ip) ?? readAddress(request.socket.remoteAddress ?? '') ?? ''
  return {
    ip,
    network: networksOf(ip)[0].name,
    userAgent: headerText(request.headers['user-agent'] ?? '', USER_AGENT_LENGTH),
    requestId: request.id,
    ...operatorOf(request),
    ...(span === null ? {} : { span }),
  }
}

/** Who of the operator's people asks: the name of the key, and what the request says of the person behind it. */
function operatorOf({ adminKey, headers }: FastifyRequest): Pick<Caller, 'by' | 'actor'> {
  if (!adminKey) return {}
  const actor = headerText([headers['x-actor'] ?? ''].flat().join(', '), ACTOR_LENGTH)
  return { by: adminKey.name, ...(actor === '' ? {} : { actor }) }
}
