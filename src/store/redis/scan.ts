import { createHash } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import type { Page, Walk } from '../store.ts'
import type { RedisClients } from './client.ts'

/** Where a walk goes on: at which server, at which cursor of its own, and between which servers. */
interface Place {
  readonly servers: string
  readonly turn: number
  readonly cursor: string
}

/**
 * Makes the walk over all keys, SCAN server by server. A cursor means nothing to another server, nor after a restart, a failover or
 * a move of slots: then the walk begins anew.
 */
export function makeScan({ client }: RedisClients) {
  return async ({ ending, cursor, count }: Walk): Promise<Page> => {
    const nodes = nodesOf(client)
    const servers = await nameServers(nodes)
    const known = cursor === null ? null : readPlace(cursor)
    const place = known?.servers === servers && known.turn < nodes.length ? known : { servers, turn: 0, cursor: '0' }
    const node = nodes[place.turn] as Redis
    const [next, keys] = await node.scan(place.cursor, 'MATCH', `*${ending}`, 'COUNT', count)
    const then = next === '0' ? { servers, turn: place.turn + 1, cursor: '0' } : { ...place, cursor: next }
    return { keys, next: then.turn < nodes.length ? writePlace(then) : null }
  }
}

/** The servers that have all keys between them, in an order that is the same for the same servers. */
function nodesOf(client: Redis | Cluster): Redis[] {
  if (!client.isCluster) return [client as Redis]
  return (client as Cluster).nodes('master').toSorted((one, other) => (addressOf(one) < addressOf(other) ? -1 : 1))
}

function addressOf({ options: { host, port } }: Redis): string {
  return `${host}:${port}`
}

/** A name for the life of these servers, and for who of them has which slots. */
async function nameServers(nodes: readonly Redis[]): Promise<string> {
  const runs = await Promise.all(nodes.map((node) => node.info('server')))
  const epochs = nodes.length > 1 ? await Promise.all(nodes.map((node) => node.cluster('INFO'))) : []
  const told = [
    ...runs.map((text) => /^run_id:\w+/m.exec(text)),
    ...epochs.map((text) => /^cluster_current_epoch:\d+/m.exec(text)),
  ]
  return createHash('sha256').update(told.join()).digest('base64url').slice(0, 16)
}

function writePlace({ servers, turn, cursor }: Place): string {
  return Buffer.from(`${servers}.${turn}.${cursor}`).toString('base64url')
}

function readPlace(text: string): Place | null {
  const [, servers = '', turn, cursor = ''] =
    /^([\w-]{16})\.(\d{1,6})\.(\d{1,20})$/.exec(Buffer.from(text, 'base64url').toString('latin1')) ?? []
  return turn === undefined ? null : { servers, turn: Number(turn), cursor }
}
