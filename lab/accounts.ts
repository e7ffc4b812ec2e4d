import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Person } from './device.ts'

/** A contender's table of accounts: it never fails, and a password is changed at once. */
export interface Accounts {
  readonly url: string
  readonly add: (person: Person) => void
  readonly stop: () => void
}

type Question = {
  readonly email: string
  readonly password?: string
  readonly current?: string
  readonly next?: string
}

/** Opens an empty table. */
export async function openAccounts(): Promise<Accounts> {
  const passwords = new Map<string, string>()
  const answer = async (request: IncomingMessage): Promise<boolean> => {
    const { email, password, current, next = '' } = JSON.parse(await text(request)) as Question
    const isRight = passwords.has(email) && passwords.get(email) === (password ?? current)
    if (isRight && request.url === '/change') passwords.set(email, next)
    return isRight
  }
  const server = createServer((request, response) => {
    void answer(request).then((isRight) => response.writeHead(isRight ? 204 : 403).end())
  })
  server.keepAliveTimeout = 65_000
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    add: ({ email, password }) => void passwords.set(email, password),
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}
