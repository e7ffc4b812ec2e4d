import { carryOut } from '../../src/auth/deed.ts'
import type { Deps } from '../../src/deps.ts'
import { newId } from '../../src/domain/id.ts'
import { type Mail, type MailHint, NOTICE_MS } from '../../src/domain/mail.ts'
import { QUEUE_KEYS } from '../../src/mail/outbox.ts'
import { keys } from '../../src/store/keys.ts'

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

/** Writes mails as deeds do, a deed a user, and wakes the sender. */
export async function write(deps: Deps, ...mails: Mail[]): Promise<void> {
  const caller = { ip: '203.0.113.9', network: '203.0.113.9', userAgent: 'Browser/1.0', requestId: 'a-1' }
  for (const user of new Set(mails.map(({ userId }) => userId))) {
    const own = mails.filter(({ userId }) => userId === user)
    await carryOut(deps, { checks: [], puts: [], deletes: [], events: [], mails: own }, caller)
  }
}

/** All hints that wait. */
export async function hintsOf({ store }: Deps): Promise<readonly MailHint[]> {
  return (await store.getMany(QUEUE_KEYS)).flatMap((queue) => queue?.value ?? [])
}

/** The mail as it is in the store; undefined: it is not there. */
export async function rowOf({ store }: Deps, { userId, id }: Mail): Promise<Mail | undefined> {
  return (await store.get(keys.mail(userId, id)))?.value
}
