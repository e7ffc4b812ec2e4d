import { createHmac } from 'node:crypto'
import { isSame } from './auth-secret.ts'

// Codes of an authenticator app, RFC 6238: HMAC-SHA-1, 6 digits, 30 s, which is what all apps take.

export const TOTP_SECRET_BYTES = 20
const DIGITS = 6
const STEP_MS = 30_000
/** How many steps a code may be early or late: clocks differ, and people are slow. */
const WINDOW = 1

/** The code of a step, RFC 4226 section 5.3. */
export function codeAt(secret: Buffer, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const hmac = createHmac('sha1', secret).update(counter).digest()
  const number = hmac.readUInt32BE((hmac[19] ?? 0) & 0xf) & 0x7fff_ffff
  return String(number % 10 ** DIGITS).padStart(DIGITS, '0')
}

/**
 * The step whose code this is, among those around `now` (ms since the epoch) that come after `lastStep`; null: none. It takes as long
 * whichever it is.
 */
export function stepOf(secret: Buffer, code: string, now: number, lastStep: number): number | null {
  const current = Math.floor(now / STEP_MS)
  const steps = Array.from({ length: 2 * WINDOW + 1 }, (_, place) => current + WINDOW - place).filter(
    (step) => step >= 0,
  )
  const right = steps.filter((step) => isSame(Buffer.from(codeAt(secret, step)), Buffer.from(code)))
  return right.find((step) => step > lastStep) ?? null
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The secret as apps take it, in base32 without padding, RFC 4648 section 6. */
export function base32(bytes: Buffer): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{1,5}/g) ?? []).map((five) => BASE32[parseInt(five.padEnd(5, '0'), 2)]).join('')
}

/** The URI that a QR code shows to an app: `otpauth://totp/`, with the names of the service and of the account. */
export function totpUri(
  secret: Buffer,
  { service, account }: { readonly service: string; readonly account: string },
): string {
  const label = `${encodeURIComponent(service)}:${encodeURIComponent(account)}`
  const settings = `issuer=${encodeURIComponent(service)}&algorithm=SHA1&digits=${DIGITS}&period=${STEP_MS / 1000}`
  return `otpauth://totp/${label}?secret=${base32(secret)}&${settings}`
}
