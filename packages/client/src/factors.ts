import { type Expected, isNothing, type User } from './answers.js'
import type { Client, FactorProof } from './client.js'
import { act, enter, fresh } from './renewal.js'
import { sessionOf, untilAnswered } from './seam.js'
import type { Asked } from './service.js'

/** What a person has enrolled; no secret is in it. */
export interface Factors {
  readonly totp: boolean
  readonly recovery_codes_left: number
  readonly passkeys: readonly Passkey[]
}

/** A passkey, as the contract says it. */
export interface Passkey {
  readonly id: string
  readonly name: string
  readonly created_at: string
  readonly last_used_at: string | null
  readonly backed_up: boolean
}

/** What an authenticator app is told: `uri` as a QR code, `secret` to be typed. */
export interface TotpSecret {
  readonly secret: string
  readonly uri: string
}

/** Ten, each good once; they are not shown again. */
export interface RecoveryCodes {
  readonly recovery_codes: readonly string[]
}

/**
 * The second step of a login, with the challenge that the first was refused with: the session opens. Refused with `bad_credentials` it may
 * be tried again, with `code_invalid` the login begins anew. After Unavailable the same again opens the same session.
 */
export async function finishLogin(client: Client, proof: { readonly challenge: string } & FactorProof): Promise<User> {
  return (await enter(sessionOf(client), 'login/second-factor', proof)).user as User
}

/** What is enrolled. */
export function listFactors(client: Client): Promise<Factors> {
  return send(client, { path: 'factors', isExpected: isFactors })
}

/** The secret for an authenticator app: the same until it is confirmed, or an hour has passed. */
export function beginTotp(client: Client): Promise<TotpSecret> {
  return send(client, { path: 'factors/totp', method: 'POST', isExpected: isSecret })
}

/** Enrols the app, by a code of it: every other session ends. After Unavailable the same again gives the same recovery codes. */
export async function confirmTotp(client: Client, code: string): Promise<RecoveryCodes> {
  const { recovery_codes } = await send(client, {
    path: 'factors/totp/confirm',
    body: { code },
    isExpected: isCodes,
  })
  return { recovery_codes }
}

/** Removes the app; with the last factor the recovery codes go, too. */
export async function removeTotp(client: Client): Promise<void> {
  await send(client, { path: 'factors/totp', method: 'DELETE', isExpected: isNothing })
}

/** Ten other codes, those of before are dead. After Unavailable the next call is the same request, or any with the same `requestId`. */
export async function renewRecoveryCodes(client: Client, requestId?: string): Promise<RecoveryCodes> {
  const session = sessionOf(client)
  const access = await fresh(session)
  return untilAnswered(
    session,
    `codes ${access.sessionId} ${requestId ?? ''}`,
    async () => requestId ?? crypto.randomUUID(),
    (request_id) => act(session, { path: 'factors/recovery-codes', body: { request_id }, isExpected: isCodes }, access),
  )
}

/** Names a passkey, for its owner. */
export function renamePasskey(client: Client, id: string, name: string): Promise<Passkey> {
  return send(client, { path: pathOf(id), method: 'PATCH', body: { name }, isExpected: isPasskey })
}

/** Removes a passkey; with the last factor the recovery codes go, too. One that is not there is removed: a repeat finds it so. */
export async function removePasskey(client: Client, id: string): Promise<void> {
  await send(client, { path: pathOf(id), method: 'DELETE', isExpected: isNothing }).catch((error) => {
    if (error.code !== 'not_found') throw error
  })
}

async function send<Body>(client: Client, asked: Asked<Body>): Promise<Body> {
  return act(sessionOf(client), asked)
}

function pathOf(passkeyId: string): string {
  return `factors/passkeys/${encodeURIComponent(passkeyId)}`
}

const isFactors: Expected<Factors> = (body): body is Factors => Array.isArray(body?.passkeys)
const isSecret: Expected<TotpSecret> = (body): body is TotpSecret => Boolean(body?.secret && body.uri)
const isCodes: Expected<RecoveryCodes> = (body): body is RecoveryCodes => Array.isArray(body?.recovery_codes)
const isPasskey: Expected<Passkey> = (body): body is Passkey => Boolean(body?.id)
