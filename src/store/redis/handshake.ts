import type { Cluster, Redis } from 'ioredis'

// What Redis says while a connection is made. ioredis would go on after a SELECT that is refused, in database 0.

/** How a connection is made: nothing is sent whose refusal would not matter, and AUTH by itself, which says more than HELLO. */
export const HANDSHAKE = { protocol: 2, disableClientInfo: true } as const

const COMMANDS = new Set(['auth', 'select', 'info'])

/** What Redis refuses of a handshake, in words for an operator: never a user, a password or a place. */
export class HandshakeRefused extends Error {
  override readonly name = 'HandshakeRefused'
}

type Send = Redis['sendCommand']

/**
 * Makes every refusal of a handshake the end of its connection: nothing is sent on it any more, and ioredis, which learns so from
 * its own INFO, tries again. What is not answered is not granted either.
 */
export function hearHandshake(client: Redis): void {
  const send: Send = client.sendCommand.bind(client)
  let refused: { readonly stream: Redis['stream']; readonly cause: Error } | undefined

  client.sendCommand = (...[command, ...rest]: Parameters<Send>) => {
    const { stream } = client
    if (refused !== undefined && refused.stream === stream) {
      command.reject(refused.cause)
      return command.promise
    }
    if (client.status === 'connect' && COMMANDS.has(command.name)) {
      const reject = command.reject.bind(command)
      command.reject = (error) => {
        const cause = error.name === 'ReplyError' ? new HandshakeRefused(wordsFor(command.name, error.message)) : error
        refused = { stream, cause }
        reject(cause)
      }
    }
    return send(command, ...rest)
  }
}

/** The same for each connection to a node of a Cluster, also for those over which ioredis asks for the slots. */
export function hearHandshakes(cluster: Cluster): void {
  cluster.on('+node', (node: Redis) => {
    hearHandshake(node)
    const duplicate = node.duplicate.bind(node)
    node.duplicate = (override) => {
      const copy = duplicate(override)
      hearHandshake(copy)
      return copy
    }
  })
}

const CAUSES: readonly [said: RegExp, words: string][] = [
  [/without any password|no password is set/, 'it wants no password, and REDIS_URL has one'],
  [/DB index|invalid DB/, 'it has no database of the number in REDIS_URL'],
  [/max number of clients/, 'it has as many clients as maxclients lets it have'],
]

/** None of them says NOPERM: ioredis would pass over that of an INFO. */
function wordsFor(command: string, said: string): string {
  const name = command.toUpperCase()
  if (said.startsWith('NOPERM')) return `Redis refuses ${name}: the user of REDIS_URL needs +${command}`
  const words = CAUSES.find(([form]) => form.test(said))?.[1]
  return words === undefined
    ? `Redis refuses ${name} (${/^[A-Z]+/.exec(said)?.[0]})`
    : `Redis refuses ${name}: ${words}`
}
