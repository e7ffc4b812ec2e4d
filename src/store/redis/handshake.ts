import type { Cluster, Redis } from 'ioredis'

// What Redis says while a connection is made. After a refused SELECT ioredis by itself would go on, in database 0.

/**
 * Options of a connection: ioredis sends nothing whose refusal would not matter, and AUTH apart from HELLO, because its errors
 * say more.
 */
export const HANDSHAKE = { protocol: 2, disableClientInfo: true } as const

const COMMANDS = new Set(['auth', 'select', 'info'])

/** Redis refuses a handshake; the message tells an operator why, and never shows a user, a password or a place. */
export class HandshakeRefused extends Error {
  override readonly name = 'HandshakeRefused'
}

type Send = Redis['sendCommand']

/**
 * Makes a refused or unanswered command of the handshake the end of its connection: nothing more is sent on it. The INFO of ioredis
 * fails by that, too, and so ioredis connects anew.
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

/** Does the same for each connection to a node of a Cluster, also for those by which ioredis asks for the slots. */
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

/** The words for a refusal. They leave out NOPERM: ioredis would ignore an INFO that failed by it. */
function wordsFor(command: string, said: string): string {
  const name = command.toUpperCase()
  if (said.startsWith('NOPERM')) return `Redis refuses ${name}: the user of REDIS_URL needs +${command}`
  const words = CAUSES.find(([form]) => form.test(said))?.[1]
  return words === undefined
    ? `Redis refuses ${name} (${/^[A-Z]+/.exec(said)?.[0]})`
    : `Redis refuses ${name}: ${words}`
}
