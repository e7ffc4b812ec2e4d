import {
  type KeyObject,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'

// Everything that AUTH_SECRET does: it seals refresh tokens and encrypts the signing keys at rest. Nothing else sees it.

/** One secret of the list, split by HKDF (RFC 5869) into keys for one purpose each. */
export interface AuthKey {
  /** Names the secret in what it sealed, without telling anything about it. */
  readonly id: number
  readonly macKey: KeyObject
  readonly encryptionKey: Buffer
}

/** All secrets in force, the one that signs first. */
export type AuthKeys = readonly [AuthKey, ...AuthKey[]]

/** Derives the keys of one AUTH_SECRET. */
export function deriveAuthKey(secret: Buffer): AuthKey {
  const derive = (purpose: string, length: number) =>
    Buffer.from(hkdfSync('sha256', secret, 'latchkey', purpose, length))
  return {
    id: derive('key id', 4).readUInt32BE(),
    macKey: createSecretKey(derive('refresh token mac', 32)),
    encryptionKey: derive('signing key encryption', 32),
  }
}

/** HMAC-SHA-256 of `data`. */
export function mac(key: AuthKey, data: Buffer): Buffer {
  return createHmac('sha256', key.macKey).update(data).digest()
}

/** Compares in constant time; texts of different length are different. */
export function isSame(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** AES-256-GCM under the first key: `keyId.iv.tag.ciphertext`, in base64url. */
export function encrypt(keys: AuthKeys, plain: string): string {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', keys[0].encryptionKey, iv)
  const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
  const parts = [iv, cipher.getAuthTag(), sealed].map((part) => part.toString('base64url'))
  return [keys[0].id, ...parts].join('.')
}

/** What `encrypt` was given, or null if none of the keys made it or somebody has changed it. */
export function decrypt(keys: AuthKeys, text: string): string | null {
  const [id, ...parts] = text.split('.')
  const key = keys.find((candidate) => String(candidate.id) === id)
  const [iv, tag, sealed] = parts.map((part) => Buffer.from(part, 'base64url'))
  if (!key || !iv || !tag || !sealed) return null
  try {
    const decipher = createDecipheriv('aes-256-gcm', key.encryptionKey, iv, { authTagLength: 16 }).setAuthTag(tag)
    return Buffer.concat([decipher.update(sealed), decipher.final()]).toString('utf8')
  } catch {
    return null
  }
}

/** Whether `encrypt` would use another key today than it did for this text. */
export function isSealedByOldKey(keys: AuthKeys, text: string): boolean {
  return !text.startsWith(`${keys[0].id}.`)
}
