import { setTimeout as wait } from 'node:timers/promises'
import type { Deps } from '../deps.ts'
import { type Mail, type MailHint, pauseAfter, TAKEN_MS } from '../domain/mail.ts'
import type { SecurityEvent } from '../events/security-events.ts'
import { keys } from '../store/keys.ts'
import { type Commit, type Entry, type Store, StoreUnavailable } from '../store/store.ts'
import type { Again } from './hints.ts'
import { putMail } from './outbox.ts'
import type { Transport } from './transport.ts'
import type { WordsOf } from './words.ts'

/** What a mail is delivered with. */
export interface Post extends Pick<Deps, 'store' | 'clock' | 'record'> {
  readonly transport: Transport
  readonly wordsOf: WordsOf
  /** Hears of each mail that was refused for now, and why. */
  readonly onRefusal: (mail: Mail, cause: string) => void
}

/** A hint without a mail counts for this many ms: the commit that it announced cannot come later. */
const HINT_MS = 600_000
/** A hint is followed at each look until it is this many ms old, as its commit may be on its way; later it rests. */
const YOUNG_MS = 10_000
/** While the store is away it is asked again after this many ms. */
const STORE_PAUSE_MS = 500

/** Sends the mail of a hint, if it is due and no other sender has it. */
export async function deliver(post: Post, hint: MailHint): Promise<Again> {
  const { store, clock } = post
  const entry = await store.get(keys.mail(hint.userId, hint.mailId))
  if (entry === null) return afterMiss(hint, clock())
  if (entry.value.notBefore > clock()) return entry.value.notBefore
  const mail = { ...entry.value, tries: entry.value.tries + 1, notBefore: clock() + TAKEN_MS }
  const isTaken = await store.commit({ checks: [entry], puts: [putMail(mail)], deletes: [] })
  return isTaken ? sendTaken(post, mail) : clock()
}

function afterMiss({ at }: MailHint, now: number): Again {
  const ageMs = now - at
  if (ageMs < YOUNG_MS) return now
  return ageMs > HINT_MS ? 'over' : now + ageMs
}

async function sendTaken(post: Post, mail: Mail): Promise<Again> {
  const { entry, isWanted } = await readTaken(post, mail)
  if (entry === null) return 'over'
  if (!isWanted) return end(post, entry, null)
  const about = { user_id: mail.userId, kind: mail.kind, tries: mail.tries }
  if (post.clock() >= mail.expiresAt) return end(post, entry, { event: 'mail.failed', ...about, cause: 'expired' })
  const outcome = await post.transport(mail, post.wordsOf(mail))
  if (outcome.kind === 'sent') return end(post, entry, { event: 'mail.sent', ...about })
  if (outcome.forGood) return end(post, entry, { event: 'mail.failed', ...about, cause: outcome.cause })
  return putBack(post, entry, outcome.cause)
}

/**
 * Reads a mail that was taken, and whether somebody still waits for it. Nobody waits for a mail with a secret whose user is gone
 * (or never was: the address has no account), or has another secret by now.
 */
async function readTaken({ store, clock }: Post, { userId, id, secret, expiresAt }: Mail) {
  const key = keys.mail(userId, id)
  if (secret === null) return { entry: await store.get(key), isWanted: true }
  const [entry, user, secrets] = await store.getMany([key, keys.user(userId), keys.secrets(userId, secret.purpose)])
  const isCurrent = secrets?.value.current?.nonce === secret.nonce
  return { entry, isWanted: user !== null && (isCurrent || clock() >= expiresAt) }
}

/** Deletes the mail, and records what became of it; null: nobody has to know. */
async function end(post: Post, entry: Entry<Mail>, event: SecurityEvent | null): Promise<Again> {
  const isOurs = await insist(post.store, { checks: [entry], puts: [], deletes: [entry.key] })
  if (!isOurs) return post.clock() // another sender has taken it meanwhile: its hint is still needed
  if (event !== null) post.record(event, null)
  return 'over'
}

async function putBack(post: Post, entry: Entry<Mail>, cause: string): Promise<Again> {
  const mail = { ...entry.value, notBefore: post.clock() + pauseAfter(entry.value.tries) }
  post.onRefusal(mail, cause)
  await insist(post.store, { checks: [entry], puts: [putMail(mail)], deletes: [] })
  return mail.notBefore
}

/** Commits as soon as the store is there, about as long as the mail is ours: one that was sent would be sent again. */
async function insist(store: Store, commit: Commit): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await store.commit(commit)
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || tries * STORE_PAUSE_MS >= TAKEN_MS) throw error
      await wait(STORE_PAUSE_MS, undefined, { ref: false })
    }
  }
}
