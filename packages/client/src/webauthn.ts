import type { PublicKeyJSON } from './errors.js'

// The JSON forms of WebAuthn level 3, made here and not by the browser: some that have passkeys lack `parseRequestOptionsFromJSON`, and what
// password managers put in the place of the browser's own objects often has no `toJSON`.

/** The person closed the browser's dialogue, had no passkey here, or another dialogue took its place: nothing was sent. */
export class PasskeyCancelled extends Error {
  override readonly name = 'PasskeyCancelled'
}

/** The cause of a PasskeyCancelled: passkeys were offered for so long that the challenge, of ten minutes, would be dead. */
export const STALE = 'stale'
const OFFERED_MS = 9 * 60_000

/** How a browser is asked. */
export interface Ceremony {
  /** Passkeys are offered where a name is typed, without a dialogue. */
  readonly autofill?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a passkey signs: an `AuthenticationResponseJSON`. Rejects with PasskeyCancelled. */
export async function assert(options: PublicKeyJSON, { autofill, signal }: Ceremony = {}): Promise<object> {
  const publicKey = {
    ...options,
    challenge: bytesOf(options.challenge),
    allowCredentials: options['allowCredentials']?.map(withBytes),
  }
  const mediation = autofill ? ({ mediation: 'conditional' } as const) : {}
  const open = (only: AbortSignal) => navigator.credentials.get({ publicKey, ...mediation, signal: only })
  const made = await inDialogue(open, signal, autofill ? OFFERED_MS : undefined)
  return written(made, ['clientDataJSON', 'authenticatorData', 'signature', 'userHandle'])
}

/** A passkey that is made: a `RegistrationResponseJSON`. Rejects with PasskeyCancelled, and with InvalidStateError where there is one. */
export async function make(options: PublicKeyJSON): Promise<object> {
  const publicKey = {
    ...options,
    challenge: bytesOf(options.challenge),
    user: withBytes(options['user']),
    excludeCredentials: options['excludeCredentials']?.map(withBytes),
  } as unknown as PublicKeyCredentialCreationOptions
  const made = await inDialogue((signal) => navigator.credentials.create({ publicKey, signal }))
  const transports = (made.response as AuthenticatorAttestationResponse).getTransports?.()
  return written(made, ['clientDataJSON', 'attestationObject'], { transports })
}

let last: AbortController | undefined

// A page has one dialogue: browsers refuse another while passkeys are offered for autofill.
async function inDialogue(
  open: (signal: AbortSignal) => Promise<Credential | null>,
  signal?: AbortSignal,
  mostMs?: number,
): Promise<PublicKeyCredential> {
  if (signal?.aborted) throw new PasskeyCancelled('', { cause: signal.reason })
  last?.abort()
  const own = (last = new AbortController())
  const abort = () => own.abort()
  const timer = mostMs && setTimeout(() => own.abort(STALE), mostMs)
  signal?.addEventListener('abort', abort)
  try {
    const made = await open(own.signal)
    if (made && !own.signal.aborted) return made as PublicKeyCredential
  } catch (error) {
    if (!own.signal.aborted && (error as Error).name !== 'NotAllowedError') throw error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
  throw new PasskeyCancelled('', { cause: own.signal.reason })
}

function written({ id, rawId, type, response }: PublicKeyCredential, names: readonly string[], more = {}): object {
  const members = response as unknown as Record<string, ArrayBuffer | null>
  const texts = names.flatMap((name) => (members[name] ? [[name, textOf(members[name])]] : []))
  return {
    id,
    rawId: textOf(rawId),
    type,
    clientExtensionResults: {},
    response: { ...Object.fromEntries(texts), ...more },
  }
}

function withBytes<Named extends { readonly id: string }>(named: Named) {
  return { ...named, id: bytesOf(named.id) }
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64url.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0))
}

function textOf(bytes: ArrayBuffer): string {
  const letters = String.fromCharCode(...new Uint8Array(bytes))
  return btoa(letters).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '')
}
