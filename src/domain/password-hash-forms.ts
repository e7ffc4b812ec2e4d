import { blocksOf, type PasswordHash, type Work } from './password-hash.ts'

// The forms in which password hashes are written: PHC strings, those of bcrypt, and Django's.

const MOST_CHARACTERS = 512
const KEY_BYTES = { least: 16, most: 64 }
const SALT_BYTES = { least: 8, most: 64 }

interface Form {
  readonly pattern: RegExp
  /** What the groups of the pattern say. */
  readonly read: (groups: readonly string[]) => PasswordHash
}

const hash = (work: Work, salt: Buffer, key: Buffer, isPrehashed = false) => ({ work, salt, key, isPrehashed })
const pbkdf2 = (digest: string, iterations: string, salt: Buffer, key: Buffer) => {
  const of = digest as 'sha256' | 'sha512'
  return hash({ kind: 'pbkdf2', digest: of, times: Number(iterations) * blocksOf(of, key.length) }, salt, key)
}
/** Of the alphabet of RFC 4648, or of passlib's, which has a dot for the plus sign. */
const bytes = (base64: string) => Buffer.from(base64.replaceAll('.', '+'), 'base64')
/** Django's salts are texts. */
const text = (salt: string) => Buffer.from(salt, 'utf8')

const FORMS: readonly Form[] = [
  {
    pattern: /^(?:argon2)?\$argon2id\$v=19\$m=(\d{1,9}),t=(\d{1,9}),p=(\d{1,9})\$([\dA-Za-z+/]+)\$([\dA-Za-z+/]+)$/,
    read: ([m, t, p, salt = '', key = '']) =>
      hash({ kind: 'argon2id', memoryKib: Number(m), lanes: Number(p), times: Number(t) }, bytes(salt), bytes(key)),
  },
  {
    // The last characters of salt and key have unused bits, which are zero: no password has another hash.
    pattern: /^(?:bcrypt(_sha256)?\$)?\$2[aby]\$(\d\d)\$([./\dA-Za-z]{21}[.Oeu])([./\dA-Za-z]{30}[.CGKOSWaeimquy26])$/,
    read: ([prehashed, cost, salt = '', key = '']) =>
      hash({ kind: 'bcrypt', times: 2 ** Number(cost) }, text(salt), text(key), prehashed !== undefined),
  },
  {
    pattern: /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,9}),p=(\d{1,9})\$([\dA-Za-z+/]+)\$([\dA-Za-z+/]+)$/,
    read: ([ln, r, p, salt = '', key = '']) =>
      hash({ kind: 'scrypt', n: 2 ** Number(ln), r: Number(r), times: Number(p) }, bytes(salt), bytes(key)),
  },
  {
    pattern: /^scrypt\$(\d{1,9})\$([^$]+)\$(\d{1,9})\$(\d{1,9})\$([\dA-Za-z+/]+={0,2})$/,
    read: ([n, salt = '', r, p, key = '']) =>
      hash({ kind: 'scrypt', n: Number(n), r: Number(r), times: Number(p) }, text(salt), bytes(key)),
  },
  {
    pattern: /^\$pbkdf2-(sha256|sha512)\$(?:i=)?(\d{1,9})(?:,l=\d{1,3})?\$([\dA-Za-z+/.]+)\$([\dA-Za-z+/.]+)$/,
    read: ([digest = '', i = '', salt = '', key = '']) => pbkdf2(digest, i, bytes(salt), bytes(key)),
  },
  {
    pattern: /^pbkdf2_(sha256|sha512)\$(\d{1,9})\$([^$]+)\$([\dA-Za-z+/]+={0,2})$/,
    read: ([digest = '', i = '', salt = '', key = '']) => pbkdf2(digest, i, text(salt), bytes(key)),
  },
]

/** Reads a password hash; null: it has no form that is taken. What it costs is not judged here. */
export function readPasswordHash(written: string): PasswordHash | null {
  if (written.length > MOST_CHARACTERS) return null
  for (const { pattern, read } of FORMS) {
    const found = pattern.exec(written)
    if (found === null) continue
    const { salt, key, ...others } = read(found.slice(1))
    return isWithin(salt, SALT_BYTES) && isWithin(key, KEY_BYTES) ? { ...others, salt, key } : null
  }
  return null
}

function isWithin({ length }: Buffer, { least, most }: typeof KEY_BYTES): boolean {
  return length >= least && length <= most
}
