import { type AuthKey, type AuthKeys, isSame, prove } from './auth-secret.ts'
import { type Moment, since } from './time.ts'

// A secret that travels by mail, as a link's token and as a code, and that is used once. The store keeps a nonce, from which both
// are derived under AUTH_SECRET: a mail sent again has the same secret, and the store alone opens nothing.

/** What a secret is for: to verify an address, to reset a password, to change an address. */
export const PURPOSES = ['verify', 'reset', 'change'] as const
export type Purpose = (typeof PURPOSES)[number]

/** A secret that mails were sent with. Times are ms since the epoch. */
export interface OneTimeSecret {
  /** 16 random bytes in base64url. */
  readonly nonce: string
  /** The address that the mails go to, and the language of the last one; null: the one of the service. */
  readonly email: string
  readonly locale: string | null
  readonly madeAt: number
  /** When a mail with it was last asked for: token and code live from then on. */
  readonly askedAt: number
}

/** The secrets of a user for one purpose, as the store has them. */
export interface Secrets {
  /** The one that can be used, unless it has expired. */
  readonly current: OneTimeSecret | null
  /** The one that was used last: whoever lost the answer asks again. */
  readonly spent: { readonly nonce: string; readonly email: string; readonly at: number } | null
}

export const NO_SECRETS: Secrets = { current: null, spent: null }

/** For how many ms a code can be used. */
export const CODE_MS = 15 * 60_000
/** For how many ms it is remembered that a secret was used. */
export const SPENT_MS = 15 * 60_000

/**
 * The secrets when one more mail is asked for. The current secret goes on if it is for this address and not older than `ttlMs`, so
 * that one mail does not kill another; else `fresh` takes its place.
 */
export function ask(
  secrets: Secrets,
  fresh: Pick<OneTimeSecret, 'nonce' | 'email' | 'locale'>,
  moment: Moment,
  ttlMs: number,
): Secrets & { readonly current: OneTimeSecret } {
  const { current } = secrets
  const goesOn = current?.email === fresh.email && since(current.madeAt, moment) < ttlMs
  const next = goesOn ? current : { ...fresh, madeAt: moment.now }
  return { ...secrets, current: { ...next, locale: fresh.locale, askedAt: moment.now } }
}

/** What somebody shows: the token of a link, or a code. */
export type Shown = { readonly kind: 'token'; readonly secret: Buffer; readonly keyId: number } | Code
interface Code {
  readonly kind: 'code'
  readonly code: string
}

/** What a shown secret comes to. */
export type Use =
  | { readonly kind: 'right'; readonly email: string; readonly locale: string | null } // it has not been used: it is used now
  | { readonly kind: 'repeat'; readonly email: string } // it was used a moment ago: the answer may have been lost
  | { readonly kind: 'invalid' } // wrong, expired, spent or superseded

/** Decides about a secret that was shown. `owner` names whose it is and what for: no other secret is right there. */
export function decideUse(
  keys: AuthKeys,
  owner: SecretOwner,
  secrets: Secrets,
  shown: Shown,
  { moment, ttlMs }: { readonly moment: Moment; readonly ttlMs: number },
): Use {
  const { current, spent } = secrets
  const isRight = (nonce: string) => isSecretOf(keys, { ...owner, nonce }, shown)
  const livesMs = shown.kind === 'code' ? Math.min(CODE_MS, ttlMs) : ttlMs
  if (current && isRight(current.nonce) && since(current.askedAt, moment) < livesMs)
    return { kind: 'right', email: current.email, locale: current.locale }
  if (spent && isRight(spent.nonce) && since(spent.at, moment) < SPENT_MS) return { kind: 'repeat', email: spent.email }
  return { kind: 'invalid' }
}

/** The secrets after the current one was used. */
export function spend({ current }: Secrets, now: number): Secrets {
  return { current: null, spent: current && { nonce: current.nonce, email: current.email, at: now } }
}

/** Until when the store keeps the secrets, ms since the epoch. */
export function secretsKeptUntil({ current, spent }: Secrets, ttlMs: number): number {
  return Math.max(current ? current.askedAt + ttlMs : 0, spent ? spent.at + SPENT_MS : 0)
}

/** Whose secret it is, and what for. */
export interface SecretOwner {
  readonly userId: string
  readonly purpose: Purpose
}

/** Whose secret it is, what for, and from which nonce it is derived. */
export type Derived = SecretOwner & { readonly nonce: string }

// version (1) · key id (4) · purpose (1) · secret (16) · MAC (16) · user id
const VERSION = 1
const SECRET_BYTES = 16
const MAC_AT = 6 + SECRET_BYTES
const HEAD_BYTES = MAC_AT + 16
const TOKEN = /^[\w-]{52,200}$/

/** The token of the link in a mail: 128 bits that nobody guesses, sealed, so that junk costs no I/O. */
export function tokenOf([key]: AuthKeys, derived: Derived): string {
  const head = Buffer.alloc(MAC_AT)
  head.writeUInt8(VERSION, 0)
  head.writeUInt32BE(key.id, 1)
  head.writeUInt8(PURPOSES.indexOf(derived.purpose), 5)
  secretOf(key, derived).copy(head, 6)
  const user = Buffer.from(derived.userId)
  return Buffer.concat([head, sealOf(key, head, user), user]).toString('base64url')
}

/** The code in a mail, eight digits, for whoever reads it on another device. */
export function codeOf([key]: AuthKeys, derived: Derived): string {
  return codeUnder(key, derived)
}

/** Reads the token of a link; null: it is none of ours, or for another purpose. No I/O. */
export function readToken(
  keys: AuthKeys,
  text: string,
  purpose: Purpose,
): { readonly userId: string; readonly shown: Shown } | null {
  const bytes = Buffer.from(text, 'base64url')
  if (!TOKEN.test(text) || bytes.length <= HEAD_BYTES || bytes.toString('base64url') !== text) return null
  const [head, user] = [bytes.subarray(0, MAC_AT), bytes.subarray(HEAD_BYTES)]
  const key = keys.find(({ id }) => id === head.readUInt32BE(1))
  if (!key || !isSame(sealOf(key, head, user), bytes.subarray(MAC_AT, HEAD_BYTES))) return null
  if (head.readUInt8(0) !== VERSION || PURPOSES[head.readUInt8(5)] !== purpose) return null
  return { userId: user.toString(), shown: { kind: 'token', secret: head.subarray(6), keyId: key.id } }
}

/** A user id that nobody has, always the same for one address: whoever asks about an address without an account works on it. */
export function nobodyAt([key]: AuthKeys, emailKey: string): string {
  return prove(key, 'nobody', emailKey).subarray(0, 16).toString('base64url')
}

function isSecretOf(keys: AuthKeys, derived: Derived, shown: Shown): boolean {
  if (shown.kind === 'code')
    return keys.some((key) => isSame(Buffer.from(codeUnder(key, derived)), Buffer.from(shown.code)))
  const key = keys.find(({ id }) => id === shown.keyId)
  return key !== undefined && isSame(secretOf(key, derived), shown.secret)
}

function secretOf(key: AuthKey, { userId, purpose, nonce }: Derived): Buffer {
  return prove(key, 'one-time token', purpose, userId, nonce).subarray(0, SECRET_BYTES)
}

function codeUnder(key: AuthKey, { userId, purpose, nonce }: Derived): string {
  const number = prove(key, 'one-time code', purpose, userId, nonce).readUIntBE(0, 6) % 100_000_000
  return String(number).padStart(8, '0')
}

function sealOf(key: AuthKey, head: Buffer, user: Buffer): Buffer {
  return prove(key, 'one-time seal', head.toString('base64url'), user.toString('base64url')).subarray(0, 16)
}
