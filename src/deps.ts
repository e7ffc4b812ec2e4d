import type { Hashing } from './auth/hashing.ts'
import type { Keyring } from './auth/keyring.ts'
import type { Config } from './config.ts'
import type { AuthKeys } from './domain/auth-secret.ts'
import type { RecordEvent } from './events.ts'
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
  /** The earlier of that and this machine's own. By it sessions time out: one clock that is set wrong ends none. */
  readonly slowClock: () => number
  readonly record: RecordEvent
}
