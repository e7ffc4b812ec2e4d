import argon2 from 'argon2'
import pLimit from 'p-limit'
import { Busy } from '../busy.ts'

export interface HashingOptions {
  readonly memoryKib: number
  readonly passes: number
  readonly lanes: number
  /** How many hashes may run at once as far as processors go. */
  readonly processors: number
}

export interface Hashing {
  /** A PHC string, argon2id with a salt of its own. */
  hash(password: string): Promise<string>
  /** Whether the password made the hash. With null, for nobody's account, it takes as long and says no. */
  verify(hash: string | null, password: string): Promise<boolean>
  /** Whether the hash was made with weaker parameters than today's. */
  isOutdated(hash: string): boolean
}

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$/
const MEMORY_BUDGET_KIB = 256 * 1024
const QUEUE_PER_SLOT = 100
const PATIENCE_MS = 5000
const NOBODYS = Buffer.alloc(16)

/**
 * argon2id behind a gate: as many hashes at once as processors and a memory budget allow, a bounded queue behind them,
 * nobody kept waiting longer than PATIENCE_MS. Everything beyond is refused with Busy, so that verify and refresh stay quick.
 */
export function makeHashing({ memoryKib, passes, lanes, processors }: HashingOptions): Hashing {
  const options = { type: argon2.argon2id, memoryCost: memoryKib, timeCost: passes, parallelism: lanes }
  const slots = Math.max(1, Math.min(processors, Math.floor(MEMORY_BUDGET_KIB / memoryKib)))
  const gate = pLimit(slots)

  function admit<T>(work: () => Promise<T>): Promise<T> {
    if (gate.pendingCount >= slots * QUEUE_PER_SLOT) throw new Busy()
    const giveUpAt = performance.now() + PATIENCE_MS
    return gate(() => {
      if (performance.now() > giveUpAt) throw new Busy()
      return work()
    })
  }

  return {
    async hash(password) {
      return admit(() => argon2.hash(password, options))
    },
    async verify(hash, password) {
      if (hash !== null) return admit(() => argon2.verify(hash, password))
      await admit(() => argon2.hash(password, { ...options, salt: NOBODYS })) // what a verification does, to the last step
      return false
    },
    isOutdated(hash) {
      const [, memory, time] = PHC.exec(hash) ?? []
      return !(Number(memory) >= memoryKib && Number(time) >= passes)
    },
  }
}
