import { type Expected, isTokens, type Tokens, type User } from './answers.js'
import type { Client } from './client.js'
import type { PublicKeyJSON } from './errors.js'
import type { RecoveryCodes } from './factors.js'
import { act, enter, fresh } from './renewal.js'
import { sessionOf, untilAnswered } from './seam.js'
import { ask, type Asked } from './service.js'
import type { Session } from './session.js'
import { assert, type Ceremony, make, type PasskeyCancelled, STALE } from './webauthn.js'

export { PasskeyCancelled } from './webauthn.js'

/** How somebody logs in by a passkey. */
export interface PasskeyLogin extends Ceremony {
  /** Keeps the session for weeks. */
  readonly remember?: boolean
}

/** What a service answers who is asked for a passkey. */
interface Options {
  readonly challenge: string
  readonly public_key: PublicKeyJSON
}

/** Whether this browser has passkeys at all. */
export function arePasskeysSupported(): boolean {
  return 'PublicKeyCredential' in globalThis
}

/** Whether this browser can offer passkeys where a name is typed (`autocomplete="username webauthn"`). */
export async function canAutofill(): Promise<boolean> {
  return arePasskeysSupported() && ((await PublicKeyCredential.isConditionalMediationAvailable?.()) ?? false)
}

/**
 * Logs in by a passkey alone: no address, no password, no second step. With `autofill` it waits until somebody chooses one in the form; any
 * other dialogue ends that. Rejects with PasskeyCancelled, too.
 */
export async function loginWithPasskey(client: Client, { remember, ...how }: PasskeyLogin = {}): Promise<User> {
  const session = sessionOf(client)
  const signed = await sign(session, how)
  const body = { ...signed, remember, transport: session.transport }
  return (await enter(session, 'login/passkey', body)).user as User
}

/** The second step of a login by a passkey: `problem` is what the first was refused with. After Unavailable the same again is the same login. */
export async function finishLoginWithPasskey(
  client: Client,
  { challenge = '', public_key }: { readonly challenge?: string; readonly public_key?: PublicKeyJSON },
  how: Pick<Ceremony, 'signal'> = {},
): Promise<User> {
  if (!public_key) throw new TypeError('no passkey can be proven')
  const session = sessionOf(client)
  const show = () => assert(public_key, how)
  const send = (passkey: object) => enter(session, 'login/second-factor', { challenge, passkey })
  return (await untilAnswered(session, challenge, show, send)).user as User
}

/** Proves again who is there, by a passkey. */
export async function stepUpWithPasskey(client: Client, how: Pick<Ceremony, 'signal'> = {}): Promise<void> {
  const session = sessionOf(client)
  const access = await fresh(session)
  const { challenge, public_key } = await act(session, optionsOf('step-up'), access)
  const passkey = await assert(public_key, how)
  await act(session, { path: 'step-up', body: { challenge, passkey }, isExpected: isTokens }, access)
}

/**
 * Makes a passkey. With `recovery_codes` if it is the first factor: then every other session ends. After Unavailable the next call sends the
 * same passkey again. Rejects with PasskeyCancelled, too, and with the browser's InvalidStateError where this device has one already.
 */
export async function addPasskey(client: Client, name?: string): Promise<Partial<RecoveryCodes>> {
  const session = sessionOf(client)
  const access = await fresh(session)
  const added = await untilAnswered(
    session,
    `passkey ${access.sessionId}`,
    async () => make((await act(session, optionsOf('factors/passkeys'), access)).public_key),
    (response) => act(session, { path: 'factors/passkeys', body: { response, name }, isExpected: isAdded }, access),
  )
  return added.recovery_codes ? { recovery_codes: added.recovery_codes } : {}
}

// Passkeys may be offered for longer than a challenge lives.
async function sign(
  session: Session,
  how: Ceremony,
): Promise<{ readonly challenge: string; readonly response: object }> {
  const { challenge, public_key } = await ask(session, optionsOf('login/passkey'))
  const response = await assert(public_key, how).catch((error: PasskeyCancelled) => {
    if (error.cause === STALE) return null
    throw error
  })
  return response ? { challenge, response } : sign(session, how)
}

function optionsOf(path: string): Asked<Options> {
  return { path: `${path}/options`, method: 'POST', isExpected: isOptions }
}

const isOptions: Expected<Options> = (body): body is Options => Boolean(body?.public_key)
const isAdded: Expected<Tokens & Partial<RecoveryCodes>> = isTokens
