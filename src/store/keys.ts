import { createHash } from 'node:crypto'
import type { JsonObject } from '../domain/merge-patch.ts'
import type { SessionRecord } from '../domain/session.ts'
import type { VerifyingKey } from '../domain/signing-keys.ts'
import type { User } from '../domain/user.ts'
import type { CounterKey, Key } from './store.ts'

// Every key in the system and the type that lives there. All keys of a user carry the hash tag {user id},
// so that whatever belongs together is committed together, on a Redis Cluster too.

/** Which user an e-mail address belongs to; it counts only while that user exists. */
export interface EmailClaim {
  readonly userId: string
}

export const keys = {
  /** Made once with the store: an instance that meets another one here has lost its store. */
  identity: '{latchkey}:identity' as Key<string>,
  /** The identities that were given up on purpose: a store that comes back with one of them is older than it was. */
  formerIdentities: '{latchkey}:former-identities' as Key<readonly string[]>,
  /** All signing keys, encrypted under AUTH_SECRET. */
  signingKeys: '{latchkey}:signing-keys' as Key<string>,
  /** A key that no token lives of any more, for as long as a session can that its tokens named: they let nobody in, and log out. */
  retiredKey: (kid: string): Key<VerifyingKey> => `{latchkey}:retired-key:${kid}`,
  /** Written and deleted by the readiness check. */
  probe: '{latchkey}:probe' as Key<number>,

  email: (emailKey: string): Key<EmailClaim> => `{${digest(emailKey)}}:email`,
  user: (userId: string): Key<User> => `{${userId}}:user`,
  preferences: (userId: string): Key<JsonObject> => `{${userId}}:preferences`,
  session: (userId: string, sessionId: string): Key<SessionRecord> => `{${userId}}:session:${sessionId}`,
  sessionData: (userId: string, sessionId: string): Key<JsonObject> => `{${userId}}:session-data:${sessionId}`,

  deniedToken: (userId: string, tokenId: string): Key<true> => `{${userId}}:denied-token:${tokenId}`,
  deniedSession: (userId: string, sessionId: string): Key<true> => `{${userId}}:denied-session:${sessionId}`,
  /** The lowest generation still accepted. */
  deniedBelow: (userId: string): Key<number> => `{${userId}}:denied-below`,
}

/** Counts all commits that must not be lost; on Redis only. A store that has counted fewer than it once answered has lost some. */
export const TIDE = '{latchkey}:tide'
/** Counts those of one process. */
export const tideOf = (process: string): string => `${TIDE}:${process}`

/** What counters are kept under; the rest of a key has a tag. */
const LIMITS = 'latchkey:limit:'

/** Every counter in the system. None names an account but by a digest: it may be nobody's. */
export const counters = {
  /** Counted on by the readiness check. */
  probe: `${LIMITS}{latchkey}:probe` as CounterKey,

  /** Requests from a network, within the widest one that is counted around it. */
  requests: (limit: string, widest: string, network: string): CounterKey =>
    `${LIMITS}{${limit}:${widest}}:requests:${network}`,
  /** Failed guesses at an account: at login from a network, and over all networks. */
  failures: (emailKey: string, network: string): CounterKey => `${LIMITS}{${digest(emailKey)}}:failures:${network}`,
  accountFailures: (emailKey: string): CounterKey => `${LIMITS}{${digest(emailKey)}}:account-failures`,
  /** And behind a live token of a session. */
  sessionFailures: (userId: string, sessionId: string): CounterKey =>
    `${LIMITS}{${userId}}:session-failures:${sessionId}`,
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
