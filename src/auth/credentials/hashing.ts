import argon2 from 'argon2'
import pLimit from 'p-limit'
import { Busy } from '../errors.ts'

/** The parameters of argon2id, RFC 9106, and the room for hashing. */
export interface HashingOptions {
  readonly memoryKib: number
  readonly passes: number
  readonly lanes: number
  /** How many hashes the processors can make at once. */
  readonly processors: number
}

/** Makes and checks password hashes. `hash` and `verify` throw Busy when too many wait. */
export interface Hashing {
  /** Hashes a password: a PHC string of argon2id, with a salt of its own. */
  hash(password: string): Promise<string>
  /** Whether the hash is of this password. With null, where there is no account, it takes as long and says no. */
  verify(hash: string | null, password: string): Promise<boolean>
  /** Whether the hash was made with weaker parameters than those of now. */
  isOutdated(hash: string): boolean
}

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$/
const MEMORY_BUDGET_KIB = 256 * 1024
const QUEUE_PER_SLOT = 100
const PATIENCE_MS = 5000
const NOBODYS = Buffer.alloc(16)

/**
 * Makes the hashing, argon2id behind a gate: as many hashes at once as the processors and MEMORY_BUDGET_KIB allow, a bounded queue
 * behind them, and no start after PATIENCE_MS in it. Everything beyond throws Busy, so that verify and refresh stay quick.
 */
export function makeHashing({ memoryKib, passes, lanes, processors }: HashingOptions): Hashing {
  const options = { type: argon2.argon2id, memoryCost: memoryKib, timeCost: passes, parallelism: lanes }
  const slots = Math.max(1, Math.min(processors, Math.floor(MEMORY_BUDGET_KIB / memoryKib)))
  const gate = pLimit(slots)

  function atGate<T>(work: () => Promise<T>): Promise<T> {
    if (gate.pendingCount >= slots * QUEUE_PER_SLOT) throw new Busy()
    const giveUpAt = performance.now() + PATIENCE_MS
    return gate(() => {
      if (performance.now() > giveUpAt) throw new Busy()
      return work()
    })
  }

  return {
    async hash(password) {
      return atGate(() => argon2.hash(password, options))
    },
    async verify(hash, password) {
      if (hash !== null) return atGate(() => argon2.verify(hash, password))
      await atGate(() => argon2.hash(password, { ...options, salt: NOBODYS })) // the same work as a verification
      return false
    },
    isOutdated(hash) {
      const [, memory, time] = PHC.exec(hash) ?? []
      const isStrongEnough = Number(memory) >= memoryKib && Number(time) >= passes
      return !isStrongEnough
    },
  }
}
