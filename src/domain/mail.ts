import type { Purpose } from './one-time-secret.ts'

// What the service mails to people. The words are in mail/templates, a file a locale and kind.

/** What a mail tells. The first three hold a link and a code; the others tell what has happened. */
export const MAIL_KINDS = [
  'verify-email',
  'reset-password',
  'change-email',
  'email-taken',
  'email-change-asked',
  'email-changed',
  'password-changed',
  'new-sign-in',
  'factor-added',
  'factor-removed',
  'factor-refused',
  'recovery-code-used',
] as const
export type MailKind = (typeof MAIL_KINDS)[number]

/** A mail that is to be sent: a row in the commit of its deed. Times are ms since the epoch. */
export interface Mail {
  readonly id: string
  /** Whose deed it is about, and under whom it is kept. */
  readonly userId: string
  /** The address of the recipient. */
  readonly to: string
  readonly kind: MailKind
  readonly locale: string
  /** When it happened, from which address and device. */
  readonly at: number
  readonly ip: string
  readonly userAgent: string
  /** The one-time secret that it holds: the mail is not sent if the user has another one by then. */
  readonly secret: { readonly purpose: Purpose; readonly nonce: string } | null
  /** From then on it is not tried any more. */
  readonly expiresAt: number
  /** How often it was tried, and when it may be tried again: one sender has it until then. */
  readonly tries: number
  readonly notBefore: number
}

/** Names a mail that may wait to be sent, and when that was noted. */
export interface MailHint {
  readonly userId: string
  readonly mailId: string
  readonly at: number
}

/** A notice is not tried for longer than this many ms. */
export const NOTICE_MS = 86_400_000

/** For how many ms one sender has a mail that it has taken. */
export const TAKEN_MS = 60_000
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [5000, 600_000]

/** For how many ms a mail that was refused for now waits, by how often it has been tried: from 5 s, doubled, to 10 min. */
export function pauseAfter(tries: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.max(0, tries - 1), LONGEST_PAUSE_MS)
}
