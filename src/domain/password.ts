import { commonPasswords } from './common-passwords.ts'

/** What can be wrong with a new password. */
export const PASSWORD_RULES = ['too_short', 'too_long', 'too_common', 'too_similar'] as const
export type PasswordRule = (typeof PASSWORD_RULES)[number]

export interface BrokenRule {
  readonly rule: PasswordRule
  readonly message: string
}

export const PASSWORD_MAX_LENGTH = 256
/**
 * A code point of an NFC text comes from four at most, so what is longer is too long whatever it comes to. To normalise it would
 * only cost time: of marks out of order, the square of their number.
 */
const MAX_INPUT_LENGTH = 4 * PASSWORD_MAX_LENGTH
const SERVICE_NAME = 'latchkey'

/** The form in which a password is judged and hashed: NFC, so that one password typed on two keyboards is one password. */
export function normalisePassword(password: string): string {
  return Array.from(password).length > MAX_INPUT_LENGTH ? password : password.normalize('NFC')
}

/**
 * The rules of NIST SP 800-63B-4 section 3.1.1.2 that a new password breaks, none if it is acceptable. Length counts
 * code points; anything Unicode has goes; whole passwords are compared, ignoring case.
 */
export function judgePassword(password: string, email: string, minLength: number): BrokenRule[] {
  const normal = normalisePassword(password)
  const length = Array.from(normal).length
  const folded = normal.toLowerCase()
  const forbidden = [email, email.slice(0, email.lastIndexOf('@')), SERVICE_NAME]
  const broken: BrokenRule[] = []
  if (length < minLength) broken.push({ rule: 'too_short', message: `Use at least ${minLength} characters.` })
  if (length > PASSWORD_MAX_LENGTH)
    broken.push({ rule: 'too_long', message: `Use at most ${PASSWORD_MAX_LENGTH} characters.` })
  if (commonPasswords.has(folded))
    broken.push({ rule: 'too_common', message: 'This is one of the most used passwords.' })
  if (forbidden.includes(folded))
    broken.push({ rule: 'too_similar', message: 'Do not use your e-mail address or the name of this service.' })
  return broken
}
