import type { Deps } from '../../deps.ts'
import type { Caller } from '../../domain/caller.ts'
import { newId } from '../../domain/id.ts'
import { type Mail, type MailKind, NOTICE_MS } from '../../domain/mail.ts'
import type { User } from '../../domain/user.ts'

/** A mail that tells what happened, in the owner's language, as part of its deed; none where the service sends no mail. */
export function notice(
  deps: Deps,
  { id, email, locale = deps.config.MAIL_LOCALE }: User,
  kind: MailKind,
  caller: Caller,
  to = email,
): Mail[] {
  if (deps.sender === null) return []
  return [{ ...newMail(deps, caller), userId: id, to, kind, locale, secret: null, expiresAt: deps.clock() + NOTICE_MS }]
}

/** What every mail is made with. From where the operator acts concerns no recipient. */
export function newMail({ clock }: Deps, { ip, userAgent, by }: Caller) {
  const from = by === undefined ? { ip, userAgent } : { ip: '', userAgent: '' }
  return { id: newId(), at: clock(), ...from, tries: 0, notBefore: 0 } as const
}
