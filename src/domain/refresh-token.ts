import { type AuthKeys, isSame, mac } from './auth-secret.ts'
import { type Transport, TRANSPORTS } from './session.ts'
import { isUserId, MAX_ID_LENGTH } from './user.ts'

/** The content of a refresh token. The session and the secret are 16 bytes in base64url. */
export interface RefreshClaim {
  readonly transport: Transport
  readonly userId: string
  readonly sessionId: string
  readonly secret: string
  readonly counter: number
}

// version (1) · key id (4) · transport (1) · user · session (16) · secret (16) · counter (4) · MAC (32)
// The ids that the service makes are 16 bytes, in version 1. Those that an operator brings along are texts, in version 2.
const [OF_BYTES, OF_TEXT] = [1, 2]
const ID_BYTES = 16
const USER_AT = 6
const TAIL_BYTES = 2 * ID_BYTES + 4
const MAC_BYTES = 32

/**
 * Seals a claim under the first key. The same claim and key always make the same token, so that a lost answer can be given
 * again.
 */
export function sealRefreshToken(keys: AuthKeys, claim: RefreshClaim): string {
  const packed = packId(claim.userId)
  const head = Buffer.alloc(USER_AT)
  head.writeUInt8(packed === null ? OF_TEXT : OF_BYTES, 0)
  head.writeUInt32BE(keys[0].id, 1)
  head.writeUInt8(TRANSPORTS.indexOf(claim.transport), 5)
  const tail = Buffer.alloc(TAIL_BYTES)
  tail.write(claim.sessionId, 0, 'base64url')
  tail.write(claim.secret, ID_BYTES, 'base64url')
  tail.writeUInt32BE(claim.counter, 2 * ID_BYTES)
  const body = Buffer.concat([head, packed ?? Buffer.from(claim.userId), tail])
  return Buffer.concat([body, mac(keys[0], body)]).toString('base64url')
}

/** The bytes of an id in base64url; null: it is not the one form of 16 bytes. */
function packId(id: string): Buffer | null {
  const bytes = Buffer.from(id, 'base64url')
  return bytes.length === ID_BYTES && bytes.toString('base64url') === id ? bytes : null
}

/** Reads the claim of a token; null if none of the keys sealed it. Costs at most one MAC, and no I/O. */
export function unsealRefreshToken(keys: AuthKeys, token: string): RefreshClaim | null {
  const bytes = Buffer.from(token, 'base64url')
  const [bodyBytes, tailAt] = [bytes.length - MAC_BYTES, bytes.length - MAC_BYTES - TAIL_BYTES]
  const isOfLength = tailAt > USER_AT && tailAt <= USER_AT + MAX_ID_LENGTH
  if (!isOfLength || bytes.toString('base64url') !== token) return null
  const body = bytes.subarray(0, bodyBytes)
  const key = keys.find((candidate) => candidate.id === body.readUInt32BE(1))
  if (!key || !isSame(mac(key, body), bytes.subarray(bodyBytes))) return null
  const transport = TRANSPORTS[body.readUInt8(5)]
  const userId = readId(body.readUInt8(0), body.subarray(USER_AT, tailAt))
  if (userId === null || !transport) return null
  const field = (at: number) => body.subarray(tailAt + at, tailAt + at + ID_BYTES).toString('base64url')
  return { transport, userId, sessionId: field(0), secret: field(ID_BYTES), counter: body.readUInt32BE(bodyBytes - 4) }
}

function readId(version: number, bytes: Buffer): string | null {
  const text = bytes.toString('latin1')
  if (version === OF_TEXT) return isUserId(text) ? text : null
  return version === OF_BYTES && bytes.length === ID_BYTES ? bytes.toString('base64url') : null
}
