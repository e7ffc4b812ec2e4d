import { isCommon } from './common-passwords.ts'

/** The rules that a new password can break. */
export const PASSWORD_RULES = ['too_short', 'too_long', 'too_common', 'too_similar'] as const
export type PasswordRule = (typeof PASSWORD_RULES)[number]

/** A rule that a new password breaks; `message` is for people. */
export interface BrokenRule {
  readonly rule: PasswordRule
  readonly message: string
}

/** What is broken by a password that is on a list of breached ones. */
export const BREACHED: BrokenRule = {
  rule: 'too_common',
  message: 'This password is known from a breach of data. Use another, here and wherever you use it.',
}

/** The most code points that a password may have in its NFC form. */
export const PASSWORD_MAX_LENGTH = 256
/**
 * A longer text is too long in NFC, too: one code point of NFC comes from at most four. It is not normalised, because that
 * would only cost time: combining marks out of order cost the square of their number.
 */
const MAX_INPUT_LENGTH = 4 * PASSWORD_MAX_LENGTH
const SERVICE_NAME = 'latchkey'

/** Stands in place of the hash where no password is right. */
export const UNUSABLE = '!'

/** The form in which passwords are checked and hashed: NFC, so that a password typed on two keyboards is the same password. */
export function normalisePassword(password: string): string {
  return Array.from(password).length > MAX_INPUT_LENGTH ? password : password.normalize('NFC')
}

/**
 * Finds the rules of NIST SP 800-63B-4 section 3.1.1.2 that a new password breaks; none: it is acceptable. Length is counted in
 * code points; every Unicode character is allowed; the lists of forbidden passwords are compared as a whole, ignoring case.
 */
export function findBrokenRules(password: string, email: string, minLength: number): BrokenRule[] {
  const normal = normalisePassword(password)
  const length = Array.from(normal).length
  const folded = normal.toLowerCase()
  const forbidden = [email, email.slice(0, email.lastIndexOf('@')), SERVICE_NAME]
  const broken: BrokenRule[] = []
  if (length < minLength) broken.push({ rule: 'too_short', message: `Use at least ${minLength} characters.` })
  if (length > PASSWORD_MAX_LENGTH)
    broken.push({ rule: 'too_long', message: `Use at most ${PASSWORD_MAX_LENGTH} characters.` })
  if (isCommon(folded)) broken.push({ rule: 'too_common', message: 'This is one of the most used passwords.' })
  if (forbidden.includes(folded))
    broken.push({ rule: 'too_similar', message: 'Do not use your e-mail address or the name of this service.' })
  return broken
}
