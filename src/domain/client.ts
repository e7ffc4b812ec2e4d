import { createHash, randomBytes } from 'node:crypto'
import { isSame } from './auth-secret.ts'
import { newId } from './id.ts'

// A client of the operator: a program that asks for tokens of its own, RFC 6749 section 4.4, or about those of others.

/** A client. Times are ms since the epoch. */
export interface Client {
  readonly id: string
  readonly name: string
  /** The most that its tokens may say it may do, and the audiences that they may be for: those whose tokens it may ask about, too. */
  readonly scopes: readonly string[]
  readonly audiences: readonly string[]
  /** At most two, the older first, so that one can be replaced while the other is in use. */
  readonly secrets: readonly ClientSecret[]
  readonly createdAt: number
  /** Since when the operator lets it do nothing, and why; absent: it may. */
  readonly disabled?: { readonly at: number; readonly reason?: string }
  /** Tokens of lower generations are dead. */
  readonly generation: number
}

/**
 * What is kept of a secret: its SHA-256. Nobody guesses 32 random bytes, so it need not cost anything, and a digest without a key
 * outlives every AUTH_SECRET.
 */
export interface ClientSecret {
  /** Names the secret, and tells nothing of it. */
  readonly id: string
  readonly digest: string
  readonly createdAt: number
}

/** No id of a user has a dot: no token of a client can be taken for one of a user, RFC 9068 section 5. */
const PREFIX = 'client.'

/** Makes the id of a new client. */
export function newClientId(): string {
  return PREFIX + newId()
}

/** Whether a text can be the id of a client. */
export function isClientId(text: string): boolean {
  return /^client\.[\w-]{22}$/.test(text)
}

/** Whether a text can name what a client may do: 1 to 64 characters of a scope-token, RFC 6749 section 3.3. */
export function isScope(text: string): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]{1,64}$/.test(text)
}

/** Makes a secret: the text, which is shown once, and what is kept of it. */
export function newClientSecret(now: number): { readonly text: string; readonly kept: ClientSecret } {
  const text = randomBytes(32).toString('base64url')
  return { text, kept: { id: newId(), digest: digestOf(text).toString('base64url'), createdAt: now } }
}

/** The secret of the client that is this text; null: none. Takes as long whichever it is. */
export function findSecret({ secrets }: Pick<Client, 'secrets'>, text: string): ClientSecret | null {
  const digest = digestOf(text)
  return secrets.reduce<ClientSecret | null>(
    (found, each) => (isSame(Buffer.from(each.digest, 'base64url'), digest) ? each : found),
    null,
  )
}

/**
 * The client with one more secret, beside the one that is named or else the last one: any other goes. Null: it has none of that
 * name.
 */
export function addSecret(client: Client, secret: ClientSecret, beside: string | undefined): Client | null {
  const kept = beside === undefined ? client.secrets.at(-1) : client.secrets.find(({ id }) => id === beside)
  if (kept === undefined && beside !== undefined) return null
  return { ...client, secrets: kept === undefined ? [secret] : [kept, secret] }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
