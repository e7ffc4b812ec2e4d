import { untilWon } from '../auth/until-won.ts'
import { type Mail, type MailHint, NOTICE_MS } from '../domain/mail.ts'
import { keys } from '../store/keys.ts'
import { type Commit, type Put, put, type Store, unchanged } from '../store/store.ts'

// Mails that wait. A mail is a row of its user, written in the commit of its deed. Where to look for it is noted in one of a few
// queues before that commit: after a crash a hint may lead to no mail, but no mail is without a hint.

const QUEUES = 8
/** Where hints are. All queues have one tag: they come in one round trip. */
export const QUEUE_KEYS = Array.from({ length: QUEUES }, (_, place) => keys.mailQueue(place))

/** For how many ms longer than it is tried a mail is kept: long enough for a sender to say that it was given up. */
const KEPT_MS = NOTICE_MS

/** The write of a mail. */
export function putMail(mail: Mail): Put {
  return put(keys.mail(mail.userId, mail.id), mail, mail.expiresAt + KEPT_MS)
}

/** Notes that these mails may wait from now on; to be done before the commit that writes them. */
export async function announce(store: Store, mails: readonly Mail[], now: number): Promise<void> {
  const hints = mails.map(({ userId, id }) => ({ userId, mailId: id, at: now }))
  const place = Math.floor(Math.random() * QUEUES)
  await rewrite(store, place, {}, (queue) => [...queue, ...hints])
}

/** Removes hints, by the ids of their mails, from the queue at that place. */
export async function forget(store: Store, place: number, mailIds: ReadonlySet<string>): Promise<void> {
  // If this is lost, the hints lead to no mail, and are forgotten again.
  await rewrite(store, place, { mayBeLost: true }, (queue) => queue.filter(({ mailId }) => !mailIds.has(mailId)))
}

async function rewrite(
  store: Store,
  place: number,
  how: Pick<Commit, 'mayBeLost'>,
  change: (queue: readonly MailHint[]) => readonly MailHint[],
): Promise<void> {
  const key = keys.mailQueue(place)
  await untilWon(async () => {
    const entry = await store.get(key)
    const next = change(entry?.value ?? [])
    const writes = next.length === 0 ? { puts: [], deletes: [key] } : { puts: [put(key, next, null)], deletes: [] }
    return (await store.commit({ ...how, checks: [unchanged(key, entry)], ...writes })) || null
  })
}
