import { lookup } from 'node:dns/promises'

/**
 * The address to listen on: the first of a name, IPv4 before IPv6. Given `localhost` itself, Fastify would make two servers.
 * Rejects if the name has none.
 */
export async function listenAddress(host: string): Promise<string> {
  return (await lookup(host, { order: 'ipv4first' })).address
}
