import { decodeJwt } from 'jose'
import { codeAt } from '../../src/domain/totp.ts'
import { type Ceremony, type Kind, makePasskey, type SoftPasskey } from './authenticator.ts'
import type { Answer, CallOptions, Home, Newcomer } from './home.ts'

// What tests of second factors share: people who have enrolled one.

/** The part of a home that people with second factors need. */
export type FactorHome = Pick<Home, 'call' | 'clock' | 'newcomer'>

/** An authenticator app that knows its secret. */
export interface SoftApp {
  readonly secret: string
  /** The code of now, or of as many steps later. */
  readonly code: (steps?: number) => string
}

/** Somebody with an authenticator app, and the tokens since. */
export interface AppOwner extends Newcomer {
  readonly app: SoftApp
  readonly recovery_codes: readonly string[]
}

/** Somebody with a passkey, and the tokens since. */
export interface PasskeyOwner extends Newcomer {
  readonly passkey: SoftPasskey
  /** The id by which the service names the passkey. */
  readonly passkeyId: string
  readonly recovery_codes: readonly string[]
}

/** When somebody has last proven who they are, by this access token; in seconds. */
export const authTime = (accessToken: string) => decodeJwt(accessToken)['auth_time'] as number

/** For `appOf`: the clock on the wall. */
export const ON_THE_WALL = {
  clock: {
    get now() {
      return Date.now()
    },
  },
}

/** Reads a secret as an app does that somebody types it into. */
export function appOf({ clock }: { readonly clock: { readonly now: number } }, secret: string): SoftApp {
  const bits = Array.from(secret, (letter) => BASE32.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const bytes = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)))
  return { secret, code: (steps = 0) => codeAt(bytes, Math.floor(clock.now / STEP_MS) + steps) }
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
export const STEP_MS = 30_000

/** Registers somebody, and enrols an authenticator app. The clock stands a step later then: the code that confirmed is spent. */
export async function withApp(home: FactorHome, me?: Newcomer): Promise<AppOwner> {
  const person = me ?? (await home.newcomer())
  const begun = await home.call('POST', '/v1/factors/totp', { token: person.access_token })
  const app = appOf(home, begun.body.secret)
  const body = { code: app.code() }
  const confirmed = expect(
    await home.call('POST', '/v1/factors/totp/confirm', { token: person.access_token, body }),
    200,
  )
  home.clock.advance(STEP_MS)
  return { ...person, ...confirmed.body, user: person.user, app }
}

/** Registers somebody, and adds a passkey. */
export async function withPasskey(
  home: FactorHome,
  { me, ...how }: { readonly me?: Newcomer } & Ceremony & Kind = {},
): Promise<PasskeyOwner> {
  const person = me ?? (await home.newcomer())
  const token = person.access_token
  const { passkey, response } = makePasskey(await creationOptions(home, token), how)
  const added = expect(await home.call('POST', '/v1/factors/passkeys', { token, body: { response } }), 201)
  const { passkeys } = (await home.call('GET', '/v1/factors', { token: added.body.access_token })).body
  return { ...person, ...added.body, user: person.user, passkey, passkeyId: passkeys.at(-1).id }
}

/** What a browser is given to make a passkey. */
export async function creationOptions({ call }: Pick<Home, 'call'>, token: string): Promise<Record<string, any>> {
  return expect(await call('POST', '/v1/factors/passkeys/options', { token }), 200).body.public_key
}

/** A challenge that any passkey may answer, and what a browser is given to ask for one; of a login, or with a token of a step-up. */
export async function askForPasskey({ call }: Pick<Home, 'call'>, token?: string): Promise<Record<string, any>> {
  const path = token === undefined ? '/v1/login/passkey/options' : '/v1/step-up/options'
  return expect(await call('POST', path, token === undefined ? {} : { token }), 200).body
}

/** Logs in by a passkey alone. */
export async function passkeyLogin(
  home: Pick<Home, 'call'>,
  passkey: SoftPasskey,
  ceremony: Ceremony = {},
  { body, ...options }: CallOptions & { readonly body?: object } = {},
): Promise<Answer> {
  const { challenge, public_key } = await askForPasskey(home)
  const response = passkey.assert(public_key, ceremony)
  return home.call('POST', '/v1/login/passkey', { body: { challenge, response, ...body }, ...options })
}

/** The first step of a login: the problem that asks for a second factor. */
export async function firstStep(
  { call }: Pick<Home, 'call'>,
  { email, password }: Pick<Newcomer, 'email' | 'password'>,
  wish: object = {},
): Promise<Record<string, any>> {
  return expect(await call('POST', '/v1/login', { body: { email, password, ...wish } }), 401).body
}

/** The second step of a login. */
export async function secondStep(
  { call }: Pick<Home, 'call'>,
  challenge: string,
  factor: object,
  options: object = {},
): Promise<Answer> {
  return call('POST', '/v1/login/second-factor', { body: { challenge, ...factor }, ...options })
}

function expect(answer: Answer, status: number): Answer {
  if (answer.status !== status) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`)
  return answer
}
