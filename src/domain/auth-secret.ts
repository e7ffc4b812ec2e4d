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

// All uses of AUTH_SECRET: it seals refresh tokens, challenges and the secrets of second factors, derives what travels by mail, and
// encrypts the signing keys in the store.

/** The keys that HKDF (RFC 5869) derives from one secret of the list AUTH_SECRET, each for one purpose. */
export interface AuthKey {
  /** Says in a sealed or encrypted text which secret made it, and tells nothing about the secret. */
  readonly id: number
  readonly macKey: KeyObject
  readonly encryptionKey: Buffer
  readonly proofKey: KeyObject
}

/** The keys of all secrets in force. The first seals and encrypts; the others only read what they once made. */
export type AuthKeys = readonly [AuthKey, ...AuthKey[]]

/** Derives the keys of one AUTH_SECRET. */
export function deriveAuthKey(secret: Buffer): AuthKey {
  const derive = (purpose: string, length: number) =>
    Buffer.from(hkdfSync('sha256', secret, 'latchkey', purpose, length))
  return {
    id: derive('key id', 4).readUInt32BE(),
    macKey: createSecretKey(derive('refresh token mac', 32)),
    encryptionKey: derive('signing key encryption', 32),
    proofKey: createSecretKey(derive('one-time secrets', 32)),
  }
}

/** HMAC-SHA-256 of `data`. */
export function mac(key: AuthKey, data: Buffer): Buffer {
  return createHmac('sha256', key.macKey).update(data).digest()
}

/** HMAC-SHA-256 of `texts` for one use, which `label` names: another label, or other texts, give another value. */
export function prove(key: AuthKey, label: string, ...texts: readonly string[]): Buffer {
  return createHmac('sha256', key.proofKey)
    .update([label, ...texts].join('\0'))
    .digest()
}

/** Whether two byte strings are equal, compared in constant time; byte strings of different length are not. */
export function isSame(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/**
 * Encrypts under the first key, by AES-256-GCM: `keyId.iv.tag.ciphertext`, the key id in decimal, the rest in base64url. `context` says
 * what the text is and whose (the associated data): elsewhere it cannot be decrypted.
 */
export function encrypt(keys: AuthKeys, plain: string, context = ''): string {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', keys[0].encryptionKey, iv).setAAD(Buffer.from(context))
  const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
  return textOf(keys[0], [iv, cipher.getAuthTag(), sealed])
}

function textOf({ id }: AuthKey, parts: readonly Buffer[]): string {
  return [id, ...parts.map((part) => part.toString('base64url'))].join('.')
}

/** The text that `encrypt` was given with this `context`; null if none of the keys encrypted it, or somebody has changed it. */
export function decrypt(keys: AuthKeys, text: string, context = ''): string | null {
  const [id, ...parts] = text.split('.')
  const key = keys.find((candidate) => String(candidate.id) === id)
  const [iv, tag, sealed] = parts.map((part) => Buffer.from(part, 'base64url'))
  if (!key || !iv || !tag || !sealed || textOf(key, [iv, tag, sealed]) !== text) return null
  try {
    const decipher = createDecipheriv('aes-256-gcm', key.encryptionKey, iv, { authTagLength: 16 })
    decipher.setAAD(Buffer.from(context)).setAuthTag(tag)
    return Buffer.concat([decipher.update(sealed), decipher.final()]).toString('utf8')
  } catch {
    return null
  }
}

/** Whether another key than the first encrypted this text: `encrypt` would use the first now. */
export function isEncryptedByOldKey(keys: AuthKeys, text: string): boolean {
  return !text.startsWith(`${keys[0].id}.`)
}
