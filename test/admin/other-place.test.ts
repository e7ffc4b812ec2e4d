import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ADMIN_KEY } from '../support/env.ts'
import { openAdminHome } from '../support/admin.ts'
import { openHomeShell, openShell } from '../support/admin-shell.ts'
import { aUser, writeUsers } from '../support/many-users.ts'
import { makeWatched } from '../support/watched-store.ts'

// Staging first, then production: what was begun at one service does not go on in the middle of another.

const EXPORT_KEY = 'q3Wf8xKz1TnVb6Lr0JmYc5HsGd9PuEo2IaXvN7Mt4kQ'
const KEYS = { ADMIN_KEYS: `ops=${ADMIN_KEY},mover+export=${EXPORT_KEY}` }

/** Two services, of which the first breaks down when an order has noted how far it has come in FILE.progress. */
async function openTwo(t: Test) {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-places-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const file = join(dir, 'users.ndjson')
  const watched = makeWatched()
  const first = await openAdminHome(t, KEYS, { store: watched.around })
  const second = await openAdminHome(t, KEYS)
  const shell = await openHomeShell(first)
  const { port } = first.adminApp.server.address() as { port: number }
  const otherKey = openShell(`http://127.0.0.1:${port}`, { ADMIN_KEY: EXPORT_KEY })
  return { dir, file, watched, first, second, shell, otherKey, elsewhere: await openHomeShell(second) }
}

const countOf = (text: string) => text.split('\n').length - 1

t.test('an import that has stopped at one service is refused at another, and with another key', async (t) => {
  const { file, watched, shell, otherKey, elsewhere } = await openTwo(t)
  const people = Array.from({ length: 60 }, (_, place) => `${JSON.stringify({ email: `p${place}@example.org` })}\n`)
  await writeFile(file, people.join(''))
  const progress = async () => JSON.parse(await readFile(`${file}.progress`, 'utf8')) as { number: number }
  watched.watch = async (command, run) => {
    if (command.kind === 'commit' && (await progress()).number > 0) throw new Error('it is broken')
    return run()
  }
  t.match(await shell(['import', file]), { code: 1, errors: /500 internal/ })
  const { number } = await progress()
  t.ok(number > 0 && number < 60, `${number} lines`)
  const said = /^This was begun at http:\S+, not at http:\S+ Go on there, or remove \S+\.progress to begin anew here\./
  t.match(await elsewhere(['import', file]), { code: 1, errors: said })
  t.match(await otherKey(['import', file]), { code: 1, errors: /^This was begun with another ADMIN_KEY\./ })
  t.strictSame((await elsewhere(['list'])).lines, [])
  t.notMatch(await readFile(`${file}.progress`, 'utf8'), ADMIN_KEY)
  watched.watch = null
  t.match(await shell(['import', file]), { code: 0 }, 'it goes on where it was')
  t.match(await elsewhere(['import', file]), { code: 0, errors: /60 created/ })
  t.equal((await elsewhere(['list'])).lines.length, 60)
})

t.test(
  'an export that has stopped is not half of one service and half of another, nor half without hashes',
  async (t) => {
    const { dir, file, watched, first, shell, otherKey, elsewhere } = await openTwo(t)
    await writeUsers(
      first.deps.store,
      Array.from({ length: 12_000 }, (_, place) => aUser(`user-${place}`)),
    )
    watched.watch = async (_command, run) => {
      if ((await readdir(dir)).includes('users.ndjson.progress')) throw new Error('it is broken')
      return run()
    }
    t.match(await shell(['export', file]), { code: 1, errors: /500 internal/ })
    const part = await readFile(`${file}.part`, 'utf8')
    t.match(await elsewhere(['export', file]), { code: 1, errors: /^This was begun at http:/ })
    t.match(await otherKey(['export', file]), { code: 1, errors: /^This was begun with another ADMIN_KEY\./ })
    t.equal(await readFile(`${file}.part`, 'utf8'), part)
    watched.watch = null
    await rm(`${file}.progress`)
    t.match(await otherKey(['export', file]), { code: 0 })
    const whole = await readFile(file, 'utf8')
    t.equal(countOf(whole), 12_000)
    t.equal(whole.match(/"password_hash"/g)?.length, 12_000)
  },
)
