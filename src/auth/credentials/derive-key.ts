import argon2 from 'argon2'
import bcrypt from 'bcrypt'
import { createHash, pbkdf2, scrypt, type ScryptOptions, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { normalisePassword } from '../../domain/password.ts'
import { blocksOf, memoryOf, type PasswordHash } from '../../domain/password-hash.ts'

// The functions of password hashes, each as the systems that it comes from use it.

const pbkdf2Key = promisify(pbkdf2)
const scryptKey = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)

/** Whether the hash is of this password. Its cost is judged before (see isBearable). */
export async function isHashOf(hash: PasswordHash, password: string): Promise<boolean> {
  return timingSafeEqual(await deriveKey(hash, password), hash.key)
}

/**
 * Derives the key for this password. argon2id is given its NFC form, as we hash it; the others its characters as they were typed,
 * which is what other systems hash.
 */
async function deriveKey(
  { work, salt, key: { length }, isPrehashed }: PasswordHash,
  password: string,
): Promise<Buffer> {
  if (work.kind === 'argon2id') {
    const { memoryKib: memoryCost, lanes: parallelism, times: timeCost } = work
    const options = { type: argon2.argon2id, memoryCost, timeCost, parallelism, salt, hashLength: length }
    return argon2.hash(normalisePassword(password), { ...options, raw: true })
  }
  if (work.kind === 'bcrypt') {
    return bcryptKey(isPrehashed ? sha256(password) : password, salt.toString(), Math.log2(work.times))
  }
  if (work.kind === 'scrypt') {
    return scryptKey(password, salt, length, { N: work.n, r: work.r, p: work.times, maxmem: memoryOf(work) + 1024 })
  }
  return pbkdf2Key(password, salt, work.times / blocksOf(work.digest, length), length, work.digest)
}

const BCRYPT_BYTES = 72
const BCRYPT_SETTING = 29

/**
 * bcrypt of the first 72 bytes, as everywhere; a NUL is a character like another, as in Go and Node. `$2a$`, `$2b$` and `$2y$` are
 * one function: they differ only where an implementation had a flaw.
 */
async function bcryptKey(password: string, salt: string, cost: number): Promise<Buffer> {
  const setting = `$2b$${`${cost}`.padStart(2, '0')}$${salt}`
  const written = await bcrypt.hash(Buffer.from(password).subarray(0, BCRYPT_BYTES), setting)
  return Buffer.from(written.slice(BCRYPT_SETTING))
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
