import { carryOut } from '../../src/auth/deed.ts'
import type { Deps } from '../../src/deps.ts'
import { newId } from '../../src/domain/id.ts'
import { type Mail, NOTICE_MS } from '../../src/domain/mail.ts'

/** What a home needs to send mails there. */
export const mailTo = (MAIL_URL: string): Record<string, string> => ({
  MAIL_URL,
  MAIL_FROM: 'Latchkey <no-reply@mail.example.org>',
  APP_URL: 'https://app.example.org',
})

/** A notice to nobody's account, with what matters here in its place. */
export function aMail(at: number, given: Partial<Mail> = {}): Mail {
  return {
    id: newId(),
    userId: newId(),
    to: 'ada@example.org',
    kind: 'password-changed',
    locale: 'en',
    at,
    ip: '203.0.113.9',
    userAgent: 'Browser/1.0',
    secret: null,
    expiresAt: at + NOTICE_MS,
    tries: 0,
    notBefore: at,
    ...given,
  }
}

/** Writes mails as a deed does, and wakes the sender. */
export async function write(deps: Deps, ...mails: Mail[]): Promise<void> {
  const caller = { ip: '203.0.113.9', network: '203.0.113.9', userAgent: 'Browser/1.0', requestId: 'a-1' }
  for (const mail of mails)
    await carryOut(deps, { checks: [], puts: [], deletes: [], events: [], mails: [mail] }, caller)
}
