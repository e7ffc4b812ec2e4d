import { createHash } from 'node:crypto'
import type { Client } from '../domain/client.ts'
import type { Factor } from '../domain/factors.ts'
import type { JsonObject } from '../domain/merge-patch.ts'
import type { Mail, MailHint } from '../domain/mail.ts'
import type { Purpose, Secrets } from '../domain/one-time-secret.ts'
import type { Work } from '../domain/password-hash.ts'
import type { Answered, PendingTotp } from '../domain/answered.ts'
import type { SessionRecord } from '../domain/session.ts'
import type { VerifyingKey } from '../domain/signing-keys.ts'
import type { TrailEvent } from '../domain/trail.ts'
import type { User } from '../domain/user.ts'
import type { CounterKey, Key, Log } from './store.ts'

// All keys of the store, each with the type of its values. All keys of a user have the hash tag {user id}, so that what belongs
// together can be committed together, on a Redis Cluster too.

/** Which user an e-mail address belongs to; counts only while that user exists and has the address. */
export interface EmailClaim {
  readonly userId: string
}

/**
 * The tag of all that is of the operator's clients. They share one, because they are few: what becomes of one, the list of all and
 * the denial of its tokens are one commit.
 */
const CLIENTS = '{latchkey-clients}'

/** The keys of the store. */
export const keys = {
  /**
   * The identity of the store, made once. If an instance reads another one than before, the store was replaced, or everything
   * revoked.
   */
  identity: '{latchkey}:identity' as Key<string>,
  /** The identities that the store was made to give up: a store that has one of them was restored from before. */
  formerIdentities: '{latchkey}:former-identities' as Key<readonly string[]>,
  /** The signing keys in force, encrypted under AUTH_SECRET. */
  signingKeys: '{latchkey}:signing-keys' as Key<string>,
  /**
   * The public half of a key whose tokens have all expired. It is kept while a session that they name may live: they can still
   * log it out.
   */
  retiredKey: (kid: string): Key<VerifyingKey> => `{latchkey}:retired-key:${kid}`,
  /** Written and deleted by the readiness check. */
  probe: '{latchkey}:probe' as Key<number>,
  /** What the hashes cost that accounts have brought along from elsewhere: a failed login costs as much, whoever it is for. */
  importedWork: '{latchkey}:imported-work' as Key<readonly Work[]>,

  email: (emailKey: string): Key<EmailClaim> => `{${digest(emailKey)}}:email`,
  user: (userId: string): Key<User> => `{${userId}}:user`,
  preferences: (userId: string): Key<JsonObject> => `{${userId}}:preferences`,
  session: (userId: string, sessionId: string): Key<SessionRecord> => `{${userId}}:session:${sessionId}`,
  sessionData: (userId: string, sessionId: string): Key<JsonObject> => `{${userId}}:session-data:${sessionId}`,

  /** What mails of one purpose were sent with. */
  secrets: (userId: string, purpose: Purpose): Key<Secrets> => `{${userId}}:secrets:${purpose}`,
  /** The address that the user is about to have: the claim to it counts while this is there. */
  heldEmail: (userId: string): Key<string> => `{${userId}}:held-email`,
  /** The address that a registration under way holds, until somebody else comes for it. */
  registering: (userId: string): Key<string> => `{${userId}}:registering`,
  /** The authenticator app that is about to be enrolled. */
  pendingTotp: (userId: string): Key<PendingTotp> => `{${userId}}:pending-totp`,
  /** What was proven, so that a lost answer can be given again, and nothing is proven twice. */
  answered: (userId: string, name: string): Key<Answered> => `{${userId}}:answered:${name}`,
  /** A mail that is to be sent. */
  mail: (userId: string, mailId: string): Key<Mail> => `{${userId}}:mail:${mailId}`,
  /** Which mails may wait: a hint, written before its mail. */
  mailQueue: (place: number): Key<readonly MailHint[]> => `{latchkey-mail}:queue:${place}`,

  /** What has happened to the account. */
  trail: (userId: string): Log<TrailEvent> => `{${userId}}:event:`,

  client: (clientId: string): Key<Client> => `${CLIENTS}:client:${clientId}`,
  /** The ids of all clients, in the order in which they were added. */
  clientIds: `${CLIENTS}:ids` as Key<readonly string[]>,
  deniedClientToken: (clientId: string, tokenId: string): Key<true> => `${CLIENTS}:denied-token:${clientId}:${tokenId}`,
  /** The lowest generation of the client that is still accepted. */
  deniedClientBelow: (clientId: string): Key<number> => `${CLIENTS}:denied-below:${clientId}`,

  deniedToken: (userId: string, tokenId: string): Key<true> => `{${userId}}:denied-token:${tokenId}`,
  deniedSession: (userId: string, sessionId: string): Key<true> => `{${userId}}:denied-session:${sessionId}`,
  /** The lowest generation of the user that is still accepted. */
  deniedBelow: (userId: string): Key<number> => `{${userId}}:denied-below`,
}

/** A log keeps so many rows: somebody who makes events all day long fills no more. */
export const LOG_ROWS = 1000
/** The key of the row at a place of a log; the first place is 1. */
export const rowOf = <T>(log: Log<T>, place: number): Key<T> => `${log}${place}`
/** The key of the place of the last row of a log; absent: it has none. */
export const lastOf = (log: Log<unknown>): Key<number> => `${log}last`

/** Of what a denial is: of one token, of a session, or of all tokens of a user below a generation. */
export const DENIAL_KINDS = ['token', 'session', 'below'] as const
export type DenialKind = (typeof DENIAL_KINDS)[number]

/** Of what the denial under this key is; null: it is no denial. */
export function denialOf(key: string): DenialKind | null {
  return DENIAL_KINDS.find((kind) => key.includes(`}:denied-${kind}`)) ?? null
}

/** How the keys of all users end, and of nothing else. */
export const USER_ENDING = '}:user'

const NAMED = /^\{([^}]*)\}:(?:user|session:(.*))$/

/** The ids in the key of a user (`userId`) or of a session (`sessionId`, too); null: another kind of key. */
export function namesIn(key: string): { readonly userId: string; readonly sessionId: string | undefined } | null {
  const [, userId, sessionId] = NAMED.exec(key) ?? []
  return userId === undefined ? null : { userId, sessionId }
}

/** Where Redis counts all commits that must not be lost. If the count is lower than one that it has answered, commits are lost. */
export const TIDE = '{latchkey}:tide'
/** Where Redis counts the commits of one process. */
export const tideOf = (process: string): string => `${TIDE}:${process}`

/** The prefix of all counters; a tag follows. */
const LIMITS = 'latchkey:limit:'

/**
 * The keys of all counters. An account is named by a digest of its address only: the address may be of somebody without an
 * account.
 */
export const counters = {
  /** Used by the readiness check. */
  probe: `${LIMITS}{latchkey}:probe` as CounterKey,

  /** Requests from a network; `widest` is the widest network around it that is counted, so that all have one tag. */
  requests: (limit: string, widest: string, network: string): CounterKey =>
    `${LIMITS}{${limit}:${widest}}:requests:${network}`,
  /** Failed logins to an account from one network. */
  failures: (emailKey: string, network: string): CounterKey => `${LIMITS}{${digest(emailKey)}}:failures:${network}`,
  /** Failed logins to an account from all networks. */
  accountFailures: (emailKey: string): CounterKey => `${LIMITS}{${digest(emailKey)}}:account-failures`,
  /** Mails to one recipient, and to all. */
  mails: (emailKey: string): CounterKey => `${LIMITS}{${digest(emailKey)}}:mails`,
  allMails: `${LIMITS}{latchkey}:mails` as CounterKey,
  /** Wrong codes of mails, of all purposes, for one account. */
  wrongCodes: (emailKey: string): CounterKey => `${LIMITS}{${digest(emailKey)}}:wrong-codes`,
  /** Wrong codes of a second factor of an account, from one network that its owner is known to use, or from all others. */
  wrongFactors: (userId: string, factor: Factor, network: string): CounterKey =>
    `${LIMITS}{${userId}}:wrong-factors:${factor}:${network}`,
  /** All wrong codes of second factors of an account, to tell its owner; and whether that is done. */
  factorAlarm: (userId: string): CounterKey => `${LIMITS}{${userId}}:factor-alarm`,
  factorAlarmSent: (userId: string): CounterKey => `${LIMITS}{${userId}}:factor-alarm-sent`,
  /** Wrong passwords from a client with a live token of the session. */
  sessionFailures: (userId: string, sessionId: string): CounterKey =>
    `${LIMITS}{${userId}}:session-failures:${sessionId}`,
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
