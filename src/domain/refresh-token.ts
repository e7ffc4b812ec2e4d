import { type AuthKeys, isSame, mac } from './auth-secret.ts'
import { type Transport, TRANSPORTS } from './session.ts'

/** The content of a refresh token. The ids and the secret are 16 bytes in base64url. */
export interface RefreshClaim {
  readonly transport: Transport
  readonly userId: string
  readonly sessionId: string
  readonly secret: string
  readonly counter: number
}

// version (1) · key id (4) · transport (1) · user (16) · session (16) · secret (16) · counter (4) · MAC (32)
const VERSION = 1
const ID_BYTES = 16
const BODY_BYTES = 58
const TOKEN_BYTES = BODY_BYTES + 32

/**
 * Seals a claim under the first key. The same claim and key always make the same token, so that a lost answer can be given
 * again.
 */
export function sealRefreshToken(keys: AuthKeys, claim: RefreshClaim): string {
  const body = Buffer.alloc(BODY_BYTES)
  body.writeUInt8(VERSION, 0)
  body.writeUInt32BE(keys[0].id, 1)
  body.writeUInt8(TRANSPORTS.indexOf(claim.transport), 5)
  body.write(claim.userId, 6, 'base64url')
  body.write(claim.sessionId, 6 + ID_BYTES, 'base64url')
  body.write(claim.secret, 6 + 2 * ID_BYTES, 'base64url')
  body.writeUInt32BE(claim.counter, 6 + 3 * ID_BYTES)
  return Buffer.concat([body, mac(keys[0], body)]).toString('base64url')
}

/** Reads the claim of a token; null if none of the keys sealed it. Costs at most one MAC, and no I/O. */
export function unsealRefreshToken(keys: AuthKeys, token: string): RefreshClaim | null {
  const bytes = Buffer.from(token, 'base64url')
  if (bytes.length !== TOKEN_BYTES || bytes.toString('base64url') !== token) return null
  const body = bytes.subarray(0, BODY_BYTES)
  const key = keys.find((candidate) => candidate.id === body.readUInt32BE(1))
  if (!key || !isSame(mac(key, body), bytes.subarray(BODY_BYTES))) return null
  const transport = TRANSPORTS[body.readUInt8(5)]
  if (body.readUInt8(0) !== VERSION || !transport) return null
  const field = (index: number) => body.subarray(6 + index * ID_BYTES, 6 + (index + 1) * ID_BYTES).toString('base64url')
  return { transport, userId: field(0), sessionId: field(1), secret: field(2), counter: body.readUInt32BE(54) }
}
