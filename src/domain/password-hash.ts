// The password hashes that are taken: ours, and those that accounts bring along from elsewhere. What one costs is known, and bounded,
// before any of it is computed.

/** A function that hashes passwords, with everything that says how long one step of it takes. */
export type HashFunction =
  | { readonly kind: 'argon2id'; readonly memoryKib: number; readonly lanes: number }
  | { readonly kind: 'bcrypt' }
  | { readonly kind: 'scrypt'; readonly n: number; readonly r: number }
  | { readonly kind: 'pbkdf2'; readonly digest: 'sha256' | 'sha512' }

/**
 * What a hash costs: so many steps of a function. Steps are passes of argon2id, rounds of bcrypt (2 to the power of its cost), the
 * parallelism of scrypt, iterations of PBKDF2 for each block of the key.
 */
export type Work = HashFunction & { readonly times: number }

/** A hash: the key that the password must derive from the salt. Of bcrypt both are in its own base64. */
export interface PasswordHash {
  readonly work: Work
  readonly salt: Buffer
  readonly key: Buffer
  /** Whether the password is replaced by its SHA-256 in hexadecimal digits first, as Django's `bcrypt_sha256` does. */
  readonly isPrehashed: boolean
}

/** The bytes that hashes may take up, all that are computed at once together. */
export const MEMORY_BUDGET = 256 * 1024 * 1024
/** The dearest work, function by function: each takes one processor about a second. */
const MOST = { argon2id: 1024 * 1024, bcrypt: 2 ** 14, scrypt: 2 ** 21, sha256: 2 ** 21, sha512: 2 ** 20 }
const MOST_LANES = 16
/** The dearest hashes, in dearest works, that may have to be paid for at one failed login. */
const MOST_SHARES = 2
/** The functions that may have to be computed at one failed login: each is a task of its own, however cheap. */
const MOST_FUNCTIONS = 8

/** The bytes of memory that the work takes. */
export function memoryOf(work: Work): number {
  if (work.kind === 'argon2id') return work.memoryKib * 1024
  return work.kind === 'scrypt' ? 128 * work.r * (work.n + work.times + 2) : 0
}

/** The blocks of so many bytes that PBKDF2 derives, each for itself. */
export function blocksOf(digest: 'sha256' | 'sha512', bytes: number): number {
  return Math.ceil(bytes / (digest === 'sha256' ? 32 : 64))
}

/** The work as a share of the dearest of its kind. */
function shareOf(work: Work): number {
  if (work.kind === 'argon2id') return (work.memoryKib * work.times) / MOST.argon2id
  if (work.kind === 'scrypt') return (work.n * work.r * work.times) / MOST.scrypt
  return work.times / (work.kind === 'bcrypt' ? MOST.bcrypt : MOST[work.digest])
}

/** Whether a work is within the bounds. One of ours is, too, if it is no dearer than `own`, as the service is configured. */
export function isBearable(work: Work, own: Work & { readonly kind: 'argon2id' }): boolean {
  if (work.times < 1 || !isDefined(work)) return false
  if (memoryOf(work) <= MEMORY_BUDGET && shareOf(work) <= 1) return true
  return work.kind === 'argon2id' && work.memoryKib <= own.memoryKib && work.times <= own.times
}

/** Whether the function has these parameters: RFC 9106 section 3.1, RFC 7914 section 2. */
function isDefined(work: Work): boolean {
  if (work.kind === 'argon2id') return work.lanes >= 1 && work.lanes <= MOST_LANES && work.memoryKib >= 8 * work.lanes
  if (work.kind !== 'scrypt') return work.kind !== 'bcrypt' || work.times >= 16
  const { n, r } = work
  return r >= 1 && n >= 2 && Number.isInteger(Math.log2(n)) && Math.log2(n) < 16 * r
}

// ---- So that nobody learns from the time of a failed login whose hash is of which kind, each does the work of all kinds.

/** The works with this one among them, or in place of a lesser one of its function. */
export function mergeWork(works: readonly Work[], work: Work): readonly Work[] {
  const same = works.find((each) => isOfOneFunction(each, work))
  if (same === undefined) return [...works, work]
  return works.map((each) => (each === same && same.times < work.times ? work : each))
}

/** Whether a failed login may cost so much. */
export function areAffordable(works: readonly Work[]): boolean {
  return works.length <= MOST_FUNCTIONS && works.reduce((sum, work) => sum + shareOf(work), 0) <= MOST_SHARES
}

/** What is left of the works when one is done. */
export function worksLeft(works: readonly Work[], done: Work): Work[] {
  return works
    .map((work) => (isOfOneFunction(work, done) ? { ...work, times: work.times - done.times } : work))
    .filter(({ times }) => times > 0)
}

function isOfOneFunction(one: Work, other: Work): boolean {
  return JSON.stringify({ ...one, times: 0 }) === JSON.stringify({ ...other, times: 0 })
}

/** Hashes of no password that take so much work together. */
export function nobodysHashes(work: Work): PasswordHash[] {
  const hash = { work, salt: Buffer.alloc(16), key: Buffer.alloc(32), isPrehashed: false }
  if (work.kind === 'pbkdf2') return [{ ...hash, key: Buffer.alloc(work.digest === 'sha256' ? 32 : 64) }]
  if (work.kind !== 'bcrypt') return [hash]
  const [salt, key] = [Buffer.alloc(22, '.'), Buffer.alloc(31)]
  const costs = Array.from({ length: 32 }, (_, cost) => 2 ** cost).filter((times) => (work.times & times) !== 0)
  return costs.map((times) => ({ work: { kind: 'bcrypt', times }, salt, key, isPrehashed: false }))
}
