import argon2 from 'argon2'
import {
  isBearable,
  memoryOf,
  MEMORY_BUDGET,
  nobodysHashes,
  type PasswordHash,
  type Work,
} from '../../domain/password-hash.ts'
import { readPasswordHash } from '../../domain/password-hash-forms.ts'
import { isHashOf } from './derive-key.ts'
import { makeGate, type Traffic } from './hashing-gate.ts'

/** The parameters of argon2id, RFC 9106, and the room for hashing. */
export interface HashingOptions {
  readonly memoryKib: number
  readonly passes: number
  readonly lanes: number
  /** How many hashes the processors can make at once. */
  readonly processors: number
}

/** Makes and checks password hashes. `hash`, `verify` and `spend` throw Busy when too many wait. */
export interface Hashing {
  /** Hashes a password: a PHC string of argon2id, with a salt of its own. */
  hash(password: string): Promise<string>
  /**
   * Whether the hash is of this password. With null, where there is no account, and with a hash that is not taken, it takes as long
   * as with one of ours and says no.
   */
  verify(hash: string | null, password: string): Promise<boolean>
  /** Reads a hash from elsewhere; null: it is not taken, for its form or for what it costs. Computes nothing. */
  read(hash: string): PasswordHash | null
  /** What a hash of ours costs, and what it costs to verify this one. */
  readonly own: Work
  workOf(hash: string | null): Work
  /** Does these works, of which nothing comes. */
  spend(works: readonly Work[]): Promise<void>
  /** Whether the hash is none of ours, or was made with weaker parameters than those of now. */
  isOutdated(hash: string): boolean
  /** What is at the gate now, and how many it has refused so far. */
  gate(): Traffic
}

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$/

/**
 * Makes the hashing, behind a gate: as many hashes at once as the processors and MEMORY_BUDGET allow, so that verify and refresh
 * stay quick. Each takes up as much of the budget as it costs.
 */
export function makeHashing({ memoryKib, passes, lanes, processors }: HashingOptions): Hashing {
  const options = { type: argon2.argon2id, memoryCost: memoryKib, timeCost: passes, parallelism: lanes }
  const own = { kind: 'argon2id', memoryKib, lanes, times: passes } as const
  const slots = Math.max(1, Math.min(processors, Math.floor(MEMORY_BUDGET / memoryOf(own))))
  const gate = makeGate({ slots, bytes: MEMORY_BUDGET })
  const atGate = gate.enter

  function read(written: string): PasswordHash | null {
    const hash = readPasswordHash(written)
    return hash !== null && isBearable(hash.work, own) ? hash : null
  }

  async function spend(works: readonly Work[], password = ''): Promise<void> {
    for (const hash of works.flatMap(nobodysHashes)) await atGate(memoryOf(hash.work), () => isHashOf(hash, password))
  }

  return {
    async hash(password) {
      return atGate(memoryOf(own), () => argon2.hash(password, options))
    },
    async verify(written, password) {
      const hash = written === null ? null : read(written)
      if (hash !== null) return atGate(memoryOf(hash.work), () => isHashOf(hash, password))
      await spend([own], password) // to prepare the password takes time, too
      return false
    },
    read,
    own,
    workOf: (written) => (written === null ? null : read(written))?.work ?? own,
    spend,
    isOutdated(hash) {
      const [, memory, time] = PHC.exec(hash) ?? []
      const isStrongEnough = Number(memory) >= memoryKib && Number(time) >= passes
      return !isStrongEnough
    },
    gate: gate.traffic,
  }
}
