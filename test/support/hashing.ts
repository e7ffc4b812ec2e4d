import { makeHashing } from '../../src/auth/credentials/hashing.ts'

/** argon2id at the least that it can cost, which the service itself refuses. */
export function cheapHashing() {
  return makeHashing({ memoryKib: 1024, passes: 1, lanes: 1, processors: 2 })
}
