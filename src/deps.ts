import type { IsBreached } from './auth/credentials/breaches.ts'
import type { Hashing } from './auth/credentials/hashing.ts'
import type { Keyring } from './auth/keys/keyring.ts'
import type { Config } from './config/environment.ts'
import type { AuthKeys } from './domain/auth-secret.ts'
import type { Moment } from './domain/time.ts'
import type { RecordEvent } from './events/security-events.ts'
import type { Meters } from './metrics/meters.ts'
import type { Sender } from './mail/sender.ts'
import type { Store } from './store/store.ts'
import type { Tracer } from './traces/tracer.ts'

/** What use cases and routes work with; made once, in compose.ts. */
export interface Deps {
  readonly config: Config
  readonly store: Store
  readonly keyring: Keyring
  readonly hashing: Hashing
  readonly isBreached: IsBreached
  /** The keys derived from AUTH_SECRET. */
  readonly authKeys: AuthKeys
  /** The time of now in ms since the epoch, by the clock that all instances share. */
  readonly clock: () => number
  /** The time of now by the same clock, and when that clock was set. */
  readonly moment: () => Moment
  /**
   * For how many ms a spent refresh token may come from another tab: REFRESH_GRACE, and as long as the store was away
   * meanwhile.
   */
  readonly graceMs: () => number
  /** Sends mails; null: there is no MAIL_URL, and no mail is written. */
  readonly sender: Sender | null
  /** Records spans; null: there is no OTEL_EXPORTER_OTLP_ENDPOINT, and nothing of it is loaded. */
  readonly tracer: Tracer | null
  /** Records a security event. */
  readonly record: RecordEvent
  /** Counts what this process does. */
  readonly meters: Meters
  /** For how many ms the store that all instances share has not told its time; 0 without such a store. */
  readonly storeSilentMs: () => number
}
