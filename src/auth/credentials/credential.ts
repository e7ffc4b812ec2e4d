import type { AuthMethod } from '../../domain/auth-methods.ts'
import type { Factor } from '../../domain/factors.ts'
import type { Mail } from '../../domain/mail.ts'
import type { User } from '../../domain/user.ts'
import type { SecurityEvent } from '../../events/security-events.ts'
import type { Guesses } from './guesses.ts'

// The contract of what a person shows to prove who they are. Each kind is a file: password, totp, recovery-code, passkey.

/** Something that was shown, and can be judged. */
export interface Credential {
  readonly kind: 'password' | Factor
  /**
   * What it proves of this user. Null: nothing, whether it is wrong, or spent, or there is no such factor; that is alike, and takes as
   * long. It spends nothing by itself, and may be asked again of another record when a commit has lost its race. (That
   * a passkey may have been copied is told at once, also where it proves nothing.) Throws Busy.
   */
  readonly judge: (user: User) => Promise<Proof | null>
  /** The limit on guesses of this kind, which counts what proved nothing; `sessionId` is null before somebody is logged in. */
  readonly guesses: (user: User, sessionId: string | null) => Guesses
  /** What was shown, as a text, to know it again; absent: it may be shown as often as one likes. */
  readonly shown?: string
  /** The challenge that it answers, which is answered once; absent: it answers none, or a challenge that may be answered anew. */
  readonly answers?: string
}

/** What a credential proves. */
export interface Proof {
  /** The ways in which the person has proven who they are, RFC 8176. */
  readonly amr: readonly AuthMethod[]
  /** The record in which what is good once is spent. It must be in the commit that goes by this proof. */
  readonly user: User
  readonly events: readonly SecurityEvent[]
  readonly mails: readonly Mail[]
}
