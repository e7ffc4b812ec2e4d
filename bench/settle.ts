import { createPublicKey } from 'node:crypto'
import { startLatchkey } from './servers.ts'
import { type Account, PASSWORD } from './traffic.ts'

// The users of a store whose servers are measured.

export const LOGINS_AT_ONCE = 8
const ACCOUNTS = process.env['QUICK'] === '1' ? 80 : 200

/** What the servers of one store are started with, and whose sessions live there. */
export interface Place {
  readonly env: Record<string, string>
  readonly accounts: readonly Account[]
  /** What the contenders need to answer the same. */
  readonly contender: Record<string, string>
}

/** Registers the accounts, over every core, and looks at what the service answers. */
export async function settle(env: Record<string, string>, called = 'user'): Promise<Place> {
  const service = await startLatchkey(null, env)
  const accounts: Account[] = []
  const names = Array.from({ length: ACCOUNTS }, (_, number) => `${called}-${number}@example.org`)
  await Promise.all(
    Array.from({ length: LOGINS_AT_ONCE }, async () => {
      for (let email = names.pop(); email !== undefined; email = names.pop()) {
        const { status, body } = await service.call('POST', '/v1/register', { body: { email, password: PASSWORD } })
        if (status === 201) accounts.push({ email, accessToken: body.access_token, refreshToken: body.refresh_token })
        else if (status === 503) names.push(`again-${email}`) // the machine was too busy
        else throw new Error(`register: ${status} ${JSON.stringify(body)}`)
      }
    }),
  )
  const [{ accessToken }] = accounts as [Account]
  const { headers } = await service.call('GET', '/v1/verify', { token: accessToken })
  const { body: jwks } = await service.call('GET', '/.well-known/jwks.json')
  await service.stop('SIGINT')
  const own = Object.fromEntries([...headers].filter(([name]) => !/^(connection|date|keep-alive)$/.test(name)))
  const key = jwks.keys.find(({ kid }: { kid: string }) => kid === keyOf(accessToken))
  const publicKey = createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
  const contender = {
    REDIS_URL: env['REDIS_URL'] ?? '',
    HEADERS: JSON.stringify(own),
    PUBLIC_KEY: publicKey.toString(),
  }
  return { env, accounts, contender: { NODE_ENV: 'production', ...contender } }
}

function keyOf(token: string): string {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
}
