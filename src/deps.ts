import type { Hashing } from './auth/credentials/hashing.ts'
import type { Keyring } from './auth/keys/keyring.ts'
import type { Config } from './config/environment.ts'
import type { AuthKeys } from './domain/auth-secret.ts'
import type { Moment } from './domain/time.ts'
import type { RecordEvent } from './events/security-events.ts'
import type { Store } from './store/store.ts'

/** What use cases and routes may use; made once in main.ts or in a test. */
export interface Deps {
  readonly config: Config
  readonly store: Store
  readonly keyring: Keyring
  readonly hashing: Hashing
  /** The keys derived from AUTH_SECRET. */
  readonly authKeys: AuthKeys
  /** Now, in ms since the epoch: the same for all instances. */
  readonly clock: () => number
  /** The same, and when that clock was set. */
  readonly moment: () => Moment
  /** For how long a spent refresh token is another tab's: REFRESH_GRACE, which stands still while the store is away. */
  readonly graceMs: () => number
  readonly record: RecordEvent
}
