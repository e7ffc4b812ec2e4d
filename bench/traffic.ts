import { randomBytes } from 'node:crypto'
import { type Exchange, exchange, inTurn } from './drive.ts'

// Who asks for what: the settings of every service under measurement, and the requests of its users.

/** Everybody's. */
export const PASSWORD = 'seven red bicycles in the rain'

export const NO_LIMIT = '100000000/1m' // every check is made and counted, none is ever exceeded: all the load comes from one address
export const ARGON2 = { ARGON2_MEMORY_KIB: '19456', ARGON2_PASSES: '2', ARGON2_LANES: '1' }
/** What the service is started with; a store is to be added. */
export const SETTINGS = {
  NODE_ENV: 'production',
  AUTH_SECRET: randomBytes(32).toString('base64url'),
  ISSUER: 'http://localhost:3000',
  ACCESS_TTL: '1h', // the tokens are to outlive the benchmark
  SESSION_IDLE: '2h',
  REFRESH_GRACE: '1ms', // a session remembers what it has spent in the grace: in life nothing, at this pace dozens
  LOG_LEVEL: 'warn',
  ...ARGON2,
  LIMIT_REGISTER: NO_LIMIT,
  LIMIT_LOGIN: NO_LIMIT,
  LIMIT_REFRESH: NO_LIMIT,
  LIMIT_API: NO_LIMIT,
  LIMIT_FAILURES: NO_LIMIT,
  LIMIT_ACCOUNT_FAILURES: NO_LIMIT,
}

/** A user who is logged in. */
export interface Account {
  readonly email: string
  readonly accessToken: string
  refreshToken: string
}

/** Each access token in turn is verified. */
export function bearers(accounts: readonly Account[], path = '/v1/verify'): () => Exchange {
  const headersOf = ({ accessToken }: Account) => ({ authorization: `Bearer ${accessToken}` })
  return inTurn(accounts.map((account) => exchange(`GET ${path}`, { headers: headersOf(account) })))
}

/** Each session is one client with a token of its own, which takes its turn again when it has the next one. */
export function refreshes(accounts: readonly Account[]): () => Exchange {
  const idle = [...accounts]
  return () => {
    const account = idle.shift()
    if (account === undefined) throw new Error('more connections than sessions')
    return exchange('POST /v1/refresh', { body: { refresh_token: account.refreshToken } }, (body) => {
      if (body !== null) account.refreshToken = JSON.parse(body).refresh_token
      idle.push(account)
    })
  }
}

/** Each user in turn logs in. */
export function logins(accounts: readonly Account[]): () => Exchange {
  return inTurn(accounts.map(({ email }) => exchange('POST /v1/login', { body: { email, password: PASSWORD } })))
}

/** Somebody who logs in by a password and an authenticator app. */
export interface AppOwner extends Account {
  /** A code that is good now and has not been used. */
  readonly code: () => string
}

/** Each of them in turn logs in in two steps. */
export function loginsInTwoSteps(owners: readonly AppOwner[]): () => Exchange {
  const second: Exchange[] = []
  const first = inTurn(
    owners.map(({ email, code }) =>
      exchange('POST /v1/login', { body: { email, password: PASSWORD }, half: 401 }, (body) => {
        if (body === null) return
        const { challenge } = JSON.parse(body)
        second.push(exchange('POST /v1/login/second-factor', { body: { challenge, totp: code() } }))
      }),
    ),
  )
  return () => second.shift() ?? first()
}

/** Each user in turn has forgotten the password, and after each somebody who has no account. */
export function forgets(accounts: readonly Account[]): () => Exchange {
  const ask = (email: string) => exchange('POST /v1/password/forgot', { body: { email } })
  return inTurn(accounts.flatMap(({ email }) => [ask(email), ask(`no-${email}`)]))
}
