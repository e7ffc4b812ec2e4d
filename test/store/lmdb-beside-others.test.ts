import { open as openFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { put } from '../../src/store/store.ts'
import { openElsewhere, openHere } from '../support/store-process.ts'
import { newTag, set, writes } from './contract.ts'

// What lmdb by itself gets wrong when several processes share a folder.

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-beside-'))
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}

const NEWEST_AT = 8

/** Does to the lock file what lmdb does when it opens the folder while another process commits. */
async function forgetNewest(dir: string, count: bigint): Promise<void> {
  const file = await openFile(join(dir, 'lock.mdb'), 'r+')
  const bytes = Buffer.alloc(8)
  await file.read(bytes, 0, 8, NEWEST_AT)
  bytes.writeBigUInt64LE(bytes.readBigUInt64LE() - count)
  await file.write(bytes, 0, 8, NEWEST_AT)
  await file.close()
}

t.test('a commit that was forgotten while another process opened the folder is there after the next one', async (t) => {
  for (const count of [1n, 2n, 5n]) {
    const dir = await folder(t)
    const far = await openElsewhere({ dir })
    t.teardown(() => far.kill())
    const keys = Array.from({ length: 20 }, (_, place) => `${newTag()}:${place}`)
    for (const key of keys) await set(far, key, key)
    await forgetNewest(dir, count)
    const more = Array.from({ length: 20 }, (_, place) => `${newTag()}:more-${place}`)
    await Promise.all(more.map((key) => set(far, key, key)))
    const all = [...keys, ...more]
    t.same(
      (await far.getMany(all)).map((entry) => entry?.value),
      all,
      `${count} forgotten`,
    )
    const other = await openElsewhere({ dir })
    t.teardown(() => other.kill())
    t.same(
      (await other.getMany(all)).map((entry) => entry?.value),
      all,
      'in another process, too',
    )
  }
})

t.test('the file is mapped once, however much another process makes it grow', async (t) => {
  const dir = await folder(t)
  const [far, store] = [await openElsewhere({ dir }), await openHere({ dir })]
  t.teardown(() => Promise.all([far.kill(), store.close()]))
  for (let turn = 0; turn < 20; turn += 1) {
    const text = 'x'.repeat(10_000)
    const puts = Array.from({ length: 20 }, (_, place) => put(`${newTag()}:${place}`, text, null))
    await far.commit({ ...writes, puts })
    await Promise.all([store.get(newTag()), set(store, newTag(), text)])
  }
  const maps = (await readFile('/proc/self/maps', 'utf8')).split('\n')
  t.equal(maps.filter((line) => line.endsWith(join(dir, 'data.mdb'))).length, 1)
})
