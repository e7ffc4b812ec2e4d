import { createHash, createHmac } from 'node:crypto'
import { type AuthKey, type AuthKeys, isSame, prove } from './auth-secret.ts'
import type { RecoveryCodes } from './factors.ts'

// Recovery codes, for whoever has lost the other factors: ten, of 50 bits each, in Crockford's base 32, which people can read to each
// other. They are derived from a seed under AUTH_SECRET, so that a lost answer can be given again; the record has their HMACs.

const CODES = 10
const CODE_LENGTH = 10
const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const REQUESTS_KEPT = 10

export const RECOVERY_KEY_BYTES = 32

/** Whose codes they are, the key of their HMACs, and what they are derived from; who knows the seed can ask for them again. */
export interface Origin {
  readonly userId: string
  readonly hmacKey: Buffer
  readonly seed: string
}

/** A new set of codes as people read them, and their HMACs. `before`: the digests of earlier requests. */
export function makeCodes(
  [key]: AuthKeys,
  origin: Origin,
  before: readonly string[],
): { readonly codes: readonly string[] } & Pick<RecoveryCodes, 'left' | 'requests'> {
  const codes = codesUnder(key, origin)
  const requests = [digestOf(origin.seed), ...before].slice(0, REQUESTS_KEPT)
  return { codes, left: codes.map((code) => hmacOf(origin.hmacKey, code)), requests }
}

/** The codes of this origin once more; null: they are others, or one of them is used. */
export function sameCodes(keys: AuthKeys, origin: Origin, { left }: RecoveryCodes): readonly string[] | null {
  const sets = keys.map((key) => codesUnder(key, origin))
  return sets.find((codes) => codes.map((code) => hmacOf(origin.hmacKey, code)).join() === left.join()) ?? null
}

/** Whether a request with this id has made codes, these or some before. */
export function wasRequested({ requests }: RecoveryCodes, requestId: string): boolean {
  return requests.includes(digestOf(requestId))
}

/** The HMACs that are left once this code is used; null: it is none of those that are left. */
export function spendCode(hmacKey: Buffer, left: readonly string[], shown: string): readonly string[] | null {
  const shownHmac = Buffer.from(hmacOf(hmacKey, shown))
  const rest = left.filter((hmac) => !isSame(Buffer.from(hmac), shownHmac))
  return rest.length < left.length ? rest : null
}

function codesUnder(key: AuthKey, { userId, hmacKey, seed }: Origin): string[] {
  const salt = hmacKey.toString('base64url')
  return Array.from({ length: CODES }, (_, place) => {
    const bytes = prove(key, 'recovery code', userId, salt, seed, `${place}`).subarray(0, CODE_LENGTH)
    const letters = Array.from(bytes, (byte) => CROCKFORD[byte & 31]).join('')
    return `${letters.slice(0, CODE_LENGTH / 2)}-${letters.slice(CODE_LENGTH / 2)}`
  })
}

function hmacOf(hmacKey: Buffer, code: string): string {
  return createHmac('sha256', hmacKey).update(plain(code)).digest().subarray(0, 16).toString('base64url')
}

/** What somebody has typed or heard, in one form: letters that look like digits are those digits. */
function plain(code: string): string {
  const letters = code
    .normalize('NFKC')
    .toUpperCase()
    .replaceAll(/[\s\p{Pd}]/gu, '')
  return letters.replaceAll('O', '0').replaceAll(/[IL]/g, '1')
}

function digestOf(seed: string): string {
  return createHash('sha256').update(seed).digest('base64url').slice(0, 22)
}
