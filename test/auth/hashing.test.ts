import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { makeHashing } from '../../src/auth/credentials/hashing.ts'
import { Busy } from '../../src/auth/errors.ts'

// The gate before the hashes, and an account that is nobody's.

const SMALL = { memoryKib: 256, passes: 1, lanes: 1, processors: 1 }
const MIB = 1024 * 1024
const run = promisify(execFile)

/** How many of so many that come at once are let in; the others are refused with Busy. */
async function letIn(count: number, work: () => Promise<unknown>): Promise<number> {
  const results = await Promise.allSettled(Array.from({ length: count }, work))
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  for (const reason of reasons) if (!(reason instanceof Busy)) throw reason
  return count - reasons.length
}

t.test('as many hashes as processors are at work, a hundred for each wait, and no more is taken on', async (t) => {
  for (const processors of [1, 2, 3]) {
    const hashing = makeHashing({ ...SMALL, processors })
    const hash = await hashing.hash('x')
    t.equal(await letIn(500, () => hashing.hash('x')), processors * 101)
    t.equal(await letIn(500, () => hashing.verify(hash, 'x')), processors * 101)
    t.equal(await letIn(500, () => hashing.verify(null, 'x')), processors * 101)
  }
})

t.test(
  'nobody is kept waiting longer than five seconds: whose turn comes later is refused, and the next is not',
  async (t) => {
    const hashing = makeHashing({ ...SMALL, memoryKib: 64 * 1024 })
    const [first, late, later] = [hashing.hash('x'), hashing.hash('x'), hashing.verify(null, 'x')]
    const refusals = [t.rejects(late, Busy), t.rejects(later, Busy)]
    await nextTurn() // the first has begun
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5100)
    t.match(await first, /^\$argon2id\$/, 'what has begun is done')
    await Promise.all(refusals)
    t.match(await hashing.hash('x'), /^\$argon2id\$/)
  },
)

t.test('a hash that has failed, for want of memory, makes no later one fail, and gives its place back', async (t) => {
  const limit = (bytes: number | string) => run('prlimit', ['--pid', `${process.pid}`, `--data=${bytes}:unlimited`])
  const used = Number(/VmData:\s*(\d+) kB/.exec(await readFile('/proc/self/status', 'utf8'))?.[1]) * 1024
  t.teardown(() => limit('unlimited'))
  await limit(used + 64 * MIB)
  const hashing = makeHashing({ ...SMALL, memoryKib: 256 * 1024 })
  for (let count = 0; count < 3; count += 1) {
    await t.rejects(hashing.verify(null, 'x'), /memory/i, 'of nobody')
    await t.rejects(hashing.hash('x'), /memory/i)
  }
  await limit('unlimited')
  t.equal(await hashing.verify(null, 'x'), false)
  t.equal(await hashing.verify(await hashing.hash('x'), 'x'), true)
})

t.test('nobody’s password is refused without a word of whose it might have been', async (t) => {
  const hashing = makeHashing(SMALL)
  for (const password of ['', 'nobody', 'x'.repeat(256)]) t.equal(await hashing.verify(null, password), false)
})
