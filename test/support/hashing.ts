import { makeHashing } from '../../src/auth/credentials/hashing.ts'

/** What the hashes of a test that is about hashing cost: the default's. */
export const DEAR = { ARGON2_MEMORY_KIB: '19456' }

/** Whether this environment asks for hashes of a cost of its own. */
export function isDear(env: Record<string, string>): boolean {
  return Object.keys(env).some((name) => name.startsWith('ARGON2_'))
}

/** argon2id at the least that it can cost, which the service itself refuses. */
export function cheapHashing() {
  return makeHashing({ memoryKib: 1024, passes: 1, lanes: 1, processors: 2 })
}
