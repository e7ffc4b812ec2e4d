import { lookup } from 'node:dns/promises'

/** The one address that HOST means: of a name the first, IPv4 before IPv6. Of `localhost` Fastify would make two servers. */
export async function listenAddress(host: string): Promise<string> {
  return (await lookup(host, { order: 'ipv4first' })).address
}
